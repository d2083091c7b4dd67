"""Which ranks share a node, and the lanes between nodes.

Ranks that follow each other share a node, so that a node is a range of ranks. Each rank of a node drives a *lane* of
its own: lane l joins the ranks with number l in their nodes. Where a node has fewer ranks than the largest, its ranks
take turns: rank l modulo their number.

    ranks_per_node=3+2    lane 0: ranks 0, 3    lane 1: ranks 1, 4    lane 2: ranks 2, 3
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from math import isqrt

from mpitrain.collectives.schedule import ScheduleError


def nodes_of(size: int, ranks_per_node: int | tuple[int, ...]) -> tuple[range, ...]:
    """The nodes of a world; a number of ranks leaves the last node what remains, no numbers make them almost square.

    `ScheduleError` if there are no such nodes.
    """
    widths = ranks_per_node or square(size)
    if isinstance(widths, int):
        widths = tuple(min(widths, size - first) for first in range(0, size, widths)) if widths > 0 else ()
    if min(widths, default=0) < 1 or sum(widths) != size:
        asked = ranks_per_node if isinstance(ranks_per_node, int) else "+".join(map(str, ranks_per_node))
        raise ScheduleError(f"ranks_per_node={asked} at size {size}: expected 1 or more, {size} in all")
    return tuple(range(first, stop) for first, stop in pairwise((0, *accumulate(widths))))


def square(size: int) -> int:
    """The largest divisor of `size` that is not above its square root."""
    return next(divisor for divisor in range(isqrt(size), 0, -1) if size % divisor == 0)


def node_of(rank: int, nodes: Sequence[range]) -> range:
    """The rank's."""
    return next(node for node in nodes if rank in node)


def lanes_of(nodes: Sequence[range]) -> list[list[int]]:
    """Each lane's ranks, one of every node."""
    return [[node[lane % len(node)] for node in nodes] for lane in range(max(map(len, nodes)))]


def turns(lanes: list[list[int]]) -> int:
    """How many lanes follow each other, if one waits for those before it that share a rank with it."""
    turn_of: dict[int, int] = {}
    for lane in lanes:
        turn = 1 + max(turn_of.get(rank, 0) for rank in lane)
        turn_of.update(dict.fromkeys(lane, turn))
    return max(turn_of.values())
