"""A virtual job: the clock, the network and all ranks, and what they share."""

from collections.abc import Sequence
from math import inf
from random import Random
from typing import Any

import numpy as np
from greenlet import GreenletExit

from mpitrain.engines.virtual.fabric import Fabric
from mpitrain.engines.virtual.group import Group
from mpitrain.engines.virtual.kernel import Kernel, RankCrashed
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.virtual.recorder import Recorder
from mpitrain.network import Fault, Network
from mpitrain.network.topology import Link


class Job:
    """Ranks on a network. `ValueError` if they do not fit."""

    def __init__(self, ranks: int, network: Network, seed: int, recorder: Recorder | None):
        network.check_ranks(ranks)
        self.network, self.recorder = network, recorder
        self.kernel = Kernel(seed)
        self.ranks = [Rank(number, self.kernel, network, seed, recorder) for number in range(ranks)]
        self.fabric = Fabric(self.kernel, network, self.ranks, recorder)
        self.windows: dict[Any, np.ndarray] = {}
        self._groups: dict[Any, Group] = {}
        random = Random(f"faults {seed}")
        self.faults = [fault.settled(random, ranks) for fault in network.faults]
        for fault in self.faults:
            self._plan(fault)

    def group(self, name: Any, members: Sequence[int]) -> Group:
        """The ranks of a world, alike for all who name it alike."""
        if name not in self._groups:
            self._groups[name] = Group(self.network, members, len(self._groups))
        return self._groups[name]

    def close(self) -> None:
        """End what is left of the ranks' tasks."""
        for rank in self.ranks:
            for task in rank.tasks:
                task.end(GreenletExit)

    def _plan(self, fault: Fault) -> None:
        at = fault.at
        assert not isinstance(at, tuple)
        until = inf if fault.lasting is None else at + fault.lasting
        factor = fault.factor if fault.kind == "slow" else inf
        where = fault.where
        if fault.kind == "crash":
            assert isinstance(where, int)
            self.kernel.at(at, self._crash, self.ranks[where])
        elif isinstance(where, int):
            self.ranks[where].pace.changes.append((at, until, factor))
        else:
            for link in self._links(where):
                self.kernel.at(at, self.fabric.sharing.slow, link, factor)
                self.kernel.at(until, self.fabric.sharing.slow, link, 1)

    def _links(self, where: Any) -> list[Link]:
        """Those that a fault names: one of the network's, or the two ways between two ranks."""
        if isinstance(where[0], str):
            return [where]
        source, target = where
        self.fabric.pairs.add((min(where), max(where)))
        return [("between", source, target), ("between", target, source)]

    def _crash(self, rank: Rank) -> None:
        rank.crashed = self.kernel.now
        self.fabric.crash(rank.number)
        for task in rank.tasks:
            task.end(RankCrashed)
