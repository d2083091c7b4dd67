"""How many cores a rank has, and BLAS held to them: more threads than cores only get in each other's way."""

import os

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from mpitrain.world import World


def cores_of_rank(world: World) -> int:
    """The cores this rank may use, divided by the ranks of its host that may use them too; at least 1. Collective."""
    own = os.sched_getaffinity(0)
    count = max(os.cpu_count() or 1, max(own) + 1)
    most = int(world.allreduce(np.array([count]), "max")[0])
    allowed = np.zeros((world.size, most + 1), np.int64)
    allowed[world.rank, sorted(own)] = 1
    allowed[world.rank, most] = world.node
    world.allreduce(allowed)
    neighbours = allowed[allowed[:, most] == world.node, :most]
    sharing = int((neighbours[:, sorted(own)].sum(axis=1) > 0).sum())
    return max(1, len(own) // sharing)


def limit_blas_threads(threads: int) -> None:
    """From now on BLAS takes so many threads."""
    threadpool_limits(threads, user_api="blas")


def blas_threads() -> int:
    """How many BLAS takes now."""
    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
