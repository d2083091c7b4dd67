"""How long each algorithm takes beside the MPI library's own, in one job: what `mpitrain/tuning.py` was filled from.

    mpirun -n 4 python benchmarks/algorithms.py allreduce

Plans are made once and run in turns, so that all algorithms meet the same noise. Microseconds, the median over rounds
of the slowest rank; the last column is the library's time over the best of ours.
"""

import sys

import numpy as np
from rich.console import Console
from rich.table import Table

import mpitrain
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.world import Plan, World

NBYTES = [1 << k for k in range(8, 25, 2)]
ROUNDS = 15
MEASURED = ("allreduce", "reduce_scatter", "allgather", "bcast", "reduce", "exscan")


def measure(world: World, collective: str, nbytes: int) -> dict[str, float]:
    """Seconds by algorithm."""
    plans = {
        name: world.plan(collective, np.zeros(nbytes // 4, np.float32), algorithm=name)
        for name in (*CATALOGUE[collective], LIBRARY)
    }
    repeats = max(1, min(200, (1 << 20) // nbytes))
    times = np.array([[run(world, plan, repeats) for plan in plans.values()] for _ in range(ROUNDS)])
    world.allreduce(times, "max")
    for plan in plans.values():
        plan.free()
    return dict(zip(plans, np.median(times[1:], axis=0).tolist(), strict=True))


def run(world: World, plan: Plan, repeats: int) -> float:
    world.barrier()
    began = world.now()
    for _ in range(repeats):
        plan.run()
    return (world.now() - began) / repeats


def main() -> None:
    collective = sys.argv[1] if len(sys.argv) > 1 else "allreduce"
    if collective not in MEASURED:
        sys.exit(f"usage: mpirun -n 4 python benchmarks/algorithms.py [{'|'.join(MEASURED)}]")
    with mpitrain.init() as world:
        table = Table(
            "bytes", *CATALOGUE[collective], LIBRARY, "library / best", title=f"{collective}, {world.size} ranks, us"
        )
        for nbytes in NBYTES:
            seconds = measure(world, collective, nbytes)
            best = min(seconds[name] for name in CATALOGUE[collective])
            table.add_row(
                f"{nbytes:,}", *(f"{1e6 * s:,.1f}" for s in seconds.values()), f"{seconds[LIBRARY] / best:.2f}"
            )
        if world.rank == 0:
            Console(width=120, color_system=None, force_terminal=False).print(table)


if __name__ == "__main__":
    main()
