"""One rank of the check of collectives: mpirun -n N python ranks.py DEVICE. Rank 0 prints rows as they come.

Whole numbers so small that every sum is exact in every type, in any order.
"""

import sys

import clone

clone.use()

import numpy as np  # noqa: E402
from parity import dtype_of  # noqa: E402
from row import FAILED, OK, Row  # noqa: E402

import mpitrain  # noqa: E402
from mpitrain.collectives.catalogue import LIBRARY  # noqa: E402
from mpitrain.device import Device, find  # noqa: E402
from mpitrain.engines.transport import reach_devices  # noqa: E402
from mpitrain.world import World  # noqa: E402

ALGORITHMS = (LIBRARY, "ring", "recursive_doubling", "halving_doubling", "double_tree")
COUNTS = (1, 1003, 1 << 18)
DTYPES = ("float32", "float16", "bfloat16")


def main(name: str) -> None:
    host = mpitrain.init()
    device = find(name, host.node_rank)
    world = reach_devices(host, device, "nccl")
    for algorithm in ALGORITHMS:
        wrong = sum(check(world, device, algorithm, count, dtype) for count in COUNTS for dtype in DTYPES)
        if host.rank == 0:
            result = "right on all ranks" if not wrong else f"{wrong:g} wrong results on all ranks together"
            row = Row("NCCL", f"allreduce by {algorithm}, ranks: {host.size}", result, FAILED if wrong else OK)
            print(row.line(), flush=True)
    world.close()
    host.close()


def check(world: World, device: Device, algorithm: str, count: int, dtype: str) -> float:
    """How many ranks got something else than the sum. Collective."""
    kind = dtype_of(dtype)
    if kind is None:
        return 0
    numbers = [np.random.default_rng(rank).integers(-8, 9, count) for rank in range(world.size)]
    vector = device.array(numbers[world.rank].astype(kind))
    world.allreduce(vector, algorithm=algorithm)
    right = (device.host(vector).astype(np.float64) == sum(numbers)).all()
    return float(world.allreduce(np.array([0.0 if right else 1.0]))[0])


if __name__ == "__main__":
    main(sys.argv[1])
