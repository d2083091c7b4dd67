"""Which rank sits on which node."""

import os
from typing import NamedTuple

from mpitrain.engines.start import MPI
from mpitrain.errors import UsageError


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


def place(comm: MPI.Intracomm) -> Placement:
    """Collective. With MPITRAIN_RANKS_PER_NODE=k, k consecutive ranks make believe that they are a node."""
    rank = comm.Get_rank()
    pretended = os.environ.get("MPITRAIN_RANKS_PER_NODE")
    if pretended is not None:
        if not pretended.isdigit() or int(pretended) < 1:
            raise UsageError(f"MPITRAIN_RANKS_PER_NODE={pretended}: expected a number of ranks, 1 or more")
        first = rank // int(pretended)
    else:
        host = comm.Split_type(MPI.COMM_TYPE_SHARED)
        first = host.bcast(rank)
        host.Free()
    return placement(comm.allgather(first), rank)


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
