"""Bind lowered groups to memory: from places to arrays, and from an action to one call for each tile.

A group's actions go through a tile together, while it is in the cache, before the next tile's turn comes.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from mpitrain.analysis.conflicts import Wait
from mpitrain.analysis.lowering import Group
from mpitrain.analysis.tasks import Action as Lowered
from mpitrain.analysis.tasks import Place
from mpitrain.collectives.schedule import Combine, Reduce
from mpitrain.engines.actions import Action, combining, copying, mixing, scaling
from mpitrain.engines.reduction import Op

TILE = 256 << 10
"""Bytes. A tile of each of two ranks fits a core's first two caches; calls cost little beside it."""


class BoundGroup(NamedTuple):
    """Wait, act, and then post `done`, one more than the group's number, if anybody waits for it (else 0)."""

    waits: tuple[Wait, ...]
    actions: tuple[Action, ...]
    done: int


def bind_groups(
    groups: Iterable[Group], memory: Callable[[Place], np.ndarray], op: Op, tile: int = TILE
) -> list[BoundGroup]:
    """One rank's groups over `memory`; `tile` is in bytes."""
    staged: dict[int, np.ndarray] = {}

    def view(place: Place, like: np.ndarray | None = None) -> np.ndarray:
        if place.staged is None:
            return memory(place)
        if like is not None:
            staged[place.staged] = np.empty_like(like)
        return staged[place.staged]

    bound = []
    for number, (waits, actions, awaited) in enumerate(groups):
        pairs = []
        for action in actions:
            source = view(action.source)
            pairs.append((action, source, view(action.target, source)))
        calls: list[Action] = []
        count = pairs[0][1].size if pairs else 0
        step = max(1, tile // pairs[0][1].itemsize) if pairs else 1
        for start in range(0, count, step):
            part = slice(start, start + step)
            calls += [_bound(action, source[part], target[part], op) for action, source, target in pairs]
        bound.append(BoundGroup(waits, tuple(calls), number + 1 if awaited else 0))
    return bound


def _bound(action: Lowered, source: np.ndarray, target: np.ndarray, op: Op) -> Action:
    how = action.how
    if action.weight is not None:
        return scaling(source, target, float(action.weight))
    if isinstance(how, Reduce) and how.weight is not None:
        return mixing(target, source, float(how.weight))
    if isinstance(how, Reduce | Combine):
        return combining(op, target, source, how.side)
    return copying(source, target)
