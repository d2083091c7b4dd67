"""A network as data: what `price` reads, and what the virtual world runs on.

Network.flat(alpha=1.5e-6, beta=8e-11, gamma=5e-11)
Network.nodes(4, near=(5e-7, 2e-11), far=(2e-6, 3.2e-10), gamma=5e-11)
Network.torus((8, 8), alpha=1e-6, beta=1e-10, gamma=5e-11)
Network.fat_tree((16, 8), alpha=1.5e-6, beta=8e-11, gamma=5e-11, oversubscription=(2, 1))
"""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from mpitrain.network.topology import FatTree, Flat, Link, Nodes, Number, Route, Topology, Torus, Wire
from mpitrain.network.trouble import Fault, Straggler

__all__ = ["Network", "Number"]

SPEED = 5e10
"""Floating-point operations a second: a core of a server that multiplies small matrices."""


@dataclass(frozen=True)
class Network:
    """alpha: seconds a message, beta: seconds a byte sent, gamma: seconds a byte reduced.

    `speed`: floating-point operations a second of a rank, times its factor in `speeds` if it has one. `eager`: bytes up
    to which a message goes at once, None for all; a longer one waits for its receiver, and asking takes `rendezvous`
    seconds.
    """

    topology: Topology
    gamma: Number
    speed: float = SPEED
    speeds: dict[int, float] = field(default_factory=dict)
    eager: int | None = None
    rendezvous: Number = 0
    stragglers: tuple[Straggler, ...] = ()
    faults: tuple[Fault, ...] = ()
    name: str = ""

    def __post_init__(self) -> None:
        for name, value in (("gamma", self.gamma), ("rendezvous", self.rendezvous), ("eager", self.eager or 0)):
            if not value >= 0:
                raise ValueError(f"{name} {value}: expected {'bytes' if name == 'eager' else 'seconds'}, 0 or more")
        for value in (self.speed, *self.speeds.values()):
            if not value > 0:
                raise ValueError(f"speed {value}: expected more than 0")

    @classmethod
    def flat(cls, alpha: Number, beta: Number, gamma: Number, **others: Any) -> "Network":
        """Every pair of ranks is joined alike. `others` as above, for this and all other networks."""
        return cls(Flat(_wire(alpha, beta)), gamma, **others)

    @classmethod
    def nodes(
        cls,
        ranks_per_node: int,
        near: tuple[Number, Number],
        far: tuple[Number, Number],
        gamma: Number,
        port: Number | None = None,
        **others: Any,
    ) -> "Network":
        """`near` and `far` are (alpha, beta) within a node and between nodes. All ranks of a node share its port, of
        `port` seconds a byte (default: one rank's, far's beta)."""
        if not ranks_per_node >= 1:
            raise ValueError(f"ranks_per_node {ranks_per_node}: expected 1 or more")
        between = _wire(*far, "far ")
        topology = Nodes(ranks_per_node, _wire(*near, "near "), between, between.beta if port is None else port)
        return cls(topology, gamma, **others)

    @classmethod
    def torus(
        cls, shape: tuple[int, ...], alpha: Number, beta: Number, gamma: Number, hop: Number = 0, **others: Any
    ) -> "Network":
        """`hop`: seconds for each link after the first."""
        if not (shape and all(width >= 1 for width in shape)):
            raise ValueError(f"shape {list(shape)}: expected widths of 1 or more")
        return cls(Torus(tuple(shape), _wire(alpha, beta), hop), gamma, **others)

    @classmethod
    def fat_tree(
        cls,
        radix: tuple[int, ...],
        alpha: Number,
        beta: Number,
        gamma: Number,
        oversubscription: tuple[Number, ...] = (),
        hop: Number = 0,
        **others: Any,
    ) -> "Network":
        """`radix`: ranks of a switch, switches of a higher one. `oversubscription` of each level: 1 if left away."""
        over = (*oversubscription, *(1 for _ in radix[len(oversubscription) :]))
        if not (radix and all(width >= 1 for width in radix)):
            raise ValueError(f"radix {list(radix)}: expected numbers of 1 or more")
        if len(over) != len(radix) or not all(factor >= 1 for factor in over):
            raise ValueError(f"oversubscription {list(oversubscription)}: expected a factor of 1 or more a level")
        return cls(FatTree(tuple(radix), over, _wire(alpha, beta), hop), gamma, **others)

    def route(self, source: int, target: int) -> Route:
        """How a message goes from rank to rank."""
        return self.topology.route(source, target)

    def beta_of(self, link: Link) -> Number:
        """Seconds a byte of a shared link."""
        return self.topology.beta_of(link)

    def node(self, rank: int) -> int:
        """On which node a rank is, numbered from 0."""
        return self.topology.node(rank)

    def check_ranks(self, ranks: int) -> None:
        """`ValueError` if there is no room for so many ranks, or for those that it names."""
        if self.topology.ranks is not None and ranks > self.topology.ranks:
            raise ValueError(f"{ranks} ranks on a network for {self.topology.ranks}: {self.topology}")
        of_links = [fault.where for fault in self.faults if isinstance(fault.where, tuple) and fault.names_link]
        links = dict.fromkeys(self.topology.links(ranks)) if of_links else {}
        for where in of_links:
            if where not in links:
                such = f"such as {list(next(iter(links)))}" if links else "two ranks: this network has no shared links"
                raise ValueError(f"a fault names the link {list(where)}: expected one that is there, {such}")
        named = [*self.speeds, *(rank for slow in self.stragglers for rank in slow.ranks or ())]
        for rank in named:
            if not 0 <= rank < ranks:
                raise ValueError(f"the network names rank {rank}: expected ranks below {ranks}")

    def node_sizes(self, ranks: int) -> tuple[int, ...]:
        """How many of so many ranks each node has."""
        return tuple(len(list(node)) for _, node in groupby(map(self.node, range(ranks))))

    @property
    def alpha(self) -> Number:
        """Seconds a message, of a flat network."""
        return self._wire_of_all.alpha

    @property
    def beta(self) -> Number:
        """Seconds a byte, of a flat network."""
        return self._wire_of_all.beta

    @property
    def _wire_of_all(self) -> Wire:
        if not isinstance(self.topology, Flat):
            raise AttributeError(f"no one alpha and beta on {self.topology}: ask for the route between two ranks")
        return self.topology.wire

    def __str__(self) -> str:
        told = f"{self.topology}, {float(1 / self.gamma) / 1e9:g} GB/s reduced" if self.gamma else f"{self.topology}"
        return f"{self.name}: {told}" if self.name else told


def _wire(alpha: Number, beta: Number, whose: str = "") -> Wire:
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not value >= 0:
            raise ValueError(f"{whose}{name} {value}: expected seconds, 0 or more")
    return Wire(alpha, beta)
