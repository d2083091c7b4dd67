"""Bandwidths of a collective as nccl-tests define them, in GB/s (1e9 bytes).

The algorithm bandwidth is size / time. The size is that of the whole buffer: what every rank holds and gets in an
allreduce, the whole input of a reduce-scatter, the whole output of an allgather. The bus bandwidth multiplies it by
what a perfect algorithm must carry over each rank's link, so that it can be compared with the hardware's at any number
of ranks.

https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md
"""

from mpitrain.cli.bench_kinds import KINDS


def algorithm_bandwidth(nbytes: int, seconds: float) -> float:
    return nbytes / seconds / 1e9


def bus_bandwidth(collective: str, ranks: int, nbytes: int, seconds: float) -> float | None:
    """None for a collective without data."""
    factor = KINDS[collective].bus
    return None if factor is None else algorithm_bandwidth(nbytes, seconds) * factor(ranks)
