"""How fast a virtual world runs on one core: events a second, and the memory of a process.

    python benchmarks/virtual_world.py

Each case runs in a process of its own, so that its peak memory is its own.
"""

import resource
import subprocess
import sys

import numpy as np

from mpitrain import virtual
from mpitrain.world import World

CASES = {
    "ring, 256 ranks, 1 MiB each": ("ring", 256, 1 << 20, "flat"),
    "recursive doubling, 1,024 ranks, 64 KiB each": ("recursive_doubling", 1024, 64 << 10, "flat"),
    "ring, 256 ranks, 1 MiB each, links shared": ("ring", 256, 1 << 20, "cluster"),
    "ring, 64 ranks, 64 elements": ("ring", 64, 256, "flat"),
    "ring, 128 ranks, 128 elements": ("ring", 128, 512, "flat"),
    "ring, 256 ranks, 256 elements": ("ring", 256, 1024, "flat"),
}
"""Algorithm, ranks, bytes of each rank's buffer, network."""


def case(name: str) -> None:
    algorithm, ranks, nbytes, network = CASES[name]

    def main(world: World) -> None:
        buffer = np.ones(nbytes // 4, np.float32)
        world.allreduce(buffer, algorithm=algorithm)
        assert buffer[0] == buffer[-1] == ranks

    outcome = virtual.run(main, ranks=ranks, network=network)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name}\n  {outcome}\n  {peak:.0f} MiB at most, of which the buffers {ranks * nbytes / (1 << 20):.0f}",
        flush=True,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        case(sys.argv[1])
    else:
        for each in CASES:
            subprocess.run([sys.executable, __file__, each], check=True)
