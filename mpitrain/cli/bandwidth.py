"""Bandwidths of a collective as nccl-tests define them, in GB/s (1e9 bytes).

The algorithm bandwidth is size / time. The size is that of the whole buffer: what every rank holds and gets in an
allreduce, the whole input of a reduce-scatter, the whole output of an allgather. The bus bandwidth multiplies it by
what a perfect algorithm must carry over each rank's link, so that it can be compared with the hardware's at any number
of ranks.

https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md
"""

from collections.abc import Callable

BUS_FACTOR: dict[str, Callable[[int], float]] = {
    "allreduce": lambda ranks: 2 * (ranks - 1) / ranks,
    "reduce_scatter": lambda ranks: (ranks - 1) / ranks,
    "allgather": lambda ranks: (ranks - 1) / ranks,
    "bcast": lambda ranks: 1,
    "reduce": lambda ranks: 1,
}


def algorithm_bandwidth(nbytes: int, seconds: float) -> float:
    return nbytes / seconds / 1e9


def bus_bandwidth(collective: str, ranks: int, nbytes: int, seconds: float) -> float:
    return algorithm_bandwidth(nbytes, seconds) * BUS_FACTOR[collective](ranks)
