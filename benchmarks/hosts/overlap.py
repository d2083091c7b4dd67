"""How much of an exchange hides behind a computation that is as long, for each way in which works move meanwhile.

    python benchmarks/hosts/hosts.py --hosts 2 --rate 100mbit -- benchmarks/hosts/overlap.py --nbytes 4M
    mpirun -n 2 python benchmarks/hosts/overlap.py --nbytes 16M

The computation is a number of matrix products, the layers of a network; between two of them the program says
`World.move_on`, as the trainer does. The exchange is one allreduce, started before the first product and waited for
after the last. What is hidden is

    (compute alone + exchange alone - together) / exchange alone

All three are measured in turns, in one run, in which each mode of MPITRAIN_PROGRESS has a world of its own; medians, of
the slowest rank.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np

import mpitrain
from mpitrain.cli.json_file import write_json
from mpitrain.cli.schedules import nbytes_of
from mpitrain.cli.turns import take_turns
from mpitrain.engines.progress import LAYERS, NONE, THREAD
from mpitrain.world import Plan, World

SIDE = 128
"""Of the matrices: a product takes some 50 us."""


def main(
    *,
    nbytes: str = "4M",
    algorithm: str = "auto",
    layers: int = 20,
    rounds: int = 9,
    json: Annotated[Path | None, cyclopts.Parameter(negative="")] = None,
) -> None:
    """Measure, and print a line for each mode.

    Parameters
    ----------
    nbytes
        Size of the exchanged data, such as 4M.
    algorithm
        Of the allreduce.
    layers
        Parts of the computation, between which the program says move_on.
    rounds
        Samples of each.
    json
        File for the numbers.
    """
    with mpitrain.init() as world:
        plans = {}
        for mode in (NONE, LAYERS, THREAD):
            os.environ["MPITRAIN_PROGRESS"] = mode
            own = world.split(0)
            assert own is not None
            buffer = own.empty(nbytes_of(nbytes) // 4)
            buffer[:] = 0
            plans[mode] = own, own.plan("allreduce", buffer, algorithm=algorithm)
        exchange = plans[NONE][1].run
        seconds = float(np.median(take_turns(world, [exchange], 5)))
        compute = computation(world, seconds, layers)
        ways: list[Callable[[], object]] = [exchange, lambda: compute(world)]
        ways += [together(own, plan, compute) for own, plan in plans.values()]
        alone, computing, *both = np.median(take_turns(world, ways, rounds), axis=0).tolist()
        found = {
            "ranks": world.size, "nodes": world.size // world.node_size, "nbytes": nbytes, "layers": layers,
            "algorithm": plans[NONE][1].algorithm, "engine": plans[NONE][1].engine,
            "exchange": alone, "compute": computing, "together": dict(zip(plans, both, strict=True)),
            "hidden": {mode: (computing + alone - took) / alone for mode, took in zip(plans, both, strict=True)},
        }  # fmt: skip
        if world.rank == 0:
            show(found)
            if json is not None:
                write_json(json, found)
        for own, _ in plans.values():
            own.close()


def computation(world: World, seconds: float, layers: int) -> Callable[[World], None]:
    """Something to compute for so long on the slowest rank, in so many parts."""
    rng = np.random.default_rng(0)
    left, right = (rng.random((SIDE, SIDE), np.float32) for _ in range(2))
    product = np.empty((SIDE, SIDE), np.float32)

    def multiply() -> None:
        np.matmul(left, right, out=product)

    one = float(np.median(take_turns(world, [multiply], 5, calls=max(1, 100 * layers))))
    products = max(1, round(seconds / one / layers))

    def compute(moving: World) -> None:
        for _ in range(layers):
            for _ in range(products):
                multiply()
            moving.move_on()

    return compute


def together(world: World, plan: Plan, compute: Callable[[World], None]) -> Callable[[], None]:
    def run() -> None:
        work = plan.start()
        compute(world)
        work.wait()

    return run


def show(found: dict) -> None:
    print(
        f"{found['ranks']} ranks on {found['nodes']} nodes, allreduce of {found['nbytes']} by {found['engine']} "
        f"{found['algorithm']}: exchange {1e3 * found['exchange']:.1f} ms, compute {1e3 * found['compute']:.1f} ms in "
        f"{found['layers']} layers"
    )
    for mode, took in found["together"].items():
        print(f"  {mode:8} together {1e3 * took:8.1f} ms, hidden {found['hidden'][mode]:6.1%}", flush=True)


if __name__ == "__main__":
    cyclopts.run(main)
