"""Which rank sits on which host, asked of MPI."""

import os

from mpitrain.engines.placement import Placement, placement
from mpitrain.engines.start import MPI
from mpitrain.errors import UsageError


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
