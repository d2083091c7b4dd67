"""Which rank sits on which node."""

from typing import NamedTuple


class Placement(NamedTuple):
    """This rank's `node`, numbered from 0, its number there, and how many ranks are there.

    `node_sizes`: how many ranks each node has, from rank 0 up; None if the ranks of a node do not follow each other.
    `nodes`: every rank's node.
    """

    node: int
    node_rank: int
    node_size: int
    node_sizes: tuple[int, ...] | None
    nodes: tuple[int, ...]


def placement(first: list[int], rank: int) -> Placement:
    """From what is alike on all ranks of a node, and on no others: the node's lowest rank, say."""
    nodes = list(dict.fromkeys(first))
    together = sorted(first, key=nodes.index) == first
    mine = first[rank]
    return Placement(
        nodes.index(mine),
        first[:rank].count(mine),
        first.count(mine),
        tuple(first.count(node) for node in nodes) if together else None,
        tuple(map(nodes.index, first)),
    )
