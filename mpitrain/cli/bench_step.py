"""`mpirun -n 2 python -m mpitrain bench step --model mlp`: what exchanging gradients adds to a step of training."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from mpitrain.cli.json_file import write_json
from mpitrain.cli.turns import take_turns
from mpitrain.training.config import Config
from mpitrain.training.option_types import Engine, Whole
from mpitrain.world import World

MEASURED = {
    "mlp": Config(model="mlp", hidden=(1024, 1024), batch=64, weight_decay=5e-4),
    "cnn": Config(model="cnn", channels=(32, 64), hidden=(128,), batch=32, weight_decay=5e-4),
}
"""The jobs: large enough that a step is more than its calls, small enough that the exchange shows."""

TURN = 10
"""Counted steps of a side before the other has its turn."""


def step(
    *,
    model: Literal["mlp", "cnn"] = "mlp",
    steps: Whole = 200,
    algorithm: str = "auto",
    engine: Engine = "auto",
    bucket_bytes: Whole = 1 << 20,
    seed: Whole = 0,
    json: Annotated[Path | None, Parameter(negative="")] = None,
) -> None:
    """Time a training step with its exchange, and alone: every rank trains by itself, and sends nothing.

    Parameters
    ----------
    model
        mlp is 784-1024-1024-10 on 64 images a rank; cnn has 32 and 64 channels and 128 hidden, on 32 images a rank.
    steps
        Counted steps of each side, in turns of 10.
    algorithm
        Allreduce algorithm of the gradients, as in training.
    engine
        How data move, as in training.
    bucket_bytes
        Gradients are exchanged in buckets of at least this many bytes.
    seed
        Of initial values and of the order of samples.
    json
        File for the numbers.
    """
    options = lasting(MEASURED[model], steps, algorithm=algorithm, engine=engine, bucket_bytes=bucket_bytes, seed=seed)
    from mpitrain.engines import init
    from mpitrain.training.agreement import agreed

    with init(engine) as world:
        measured = measure(world, options, steps)
        if world.rank == 0:
            Console().print(_table(measured))
        agreed(world, lambda: write_json(json, measured) if json is not None and world.rank == 0 else None)


def measure(world: World, options: Config, steps: int) -> dict[str, Any]:
    """The step with its exchange and alone, in seconds, and what was measured. Collective."""
    from mpitrain.data import load
    from mpitrain.engines.solo import SoloWorld
    from mpitrain.training.trainer import Trainer

    dataset = load(options.recipe.data)
    together = Trainer(world, options, dataset)
    alone = Trainer(SoloWorld(), replace(options, algorithm="auto"), dataset)
    seconds = in_turns(world, steps, {"exchange": together.step, "alone": alone.step})
    together.close()
    return {
        "model": options.model,
        "ranks": world.size,
        "batch": options.batch,
        "algorithm": together.strategy.algorithms,
        "engine": together.strategy.engines,
        "steps": steps,
        "step_seconds": seconds["exchange"],
        "step_seconds_alone": seconds["alone"],
        "ratio": seconds["exchange"] / seconds["alone"],
    }


def lasting(options: Config, steps: int, **changes: Any) -> Config:
    """The options, changed and checked, with epochs enough for as many counted steps, whatever the data."""
    turns = 1 + math.ceil(steps / TURN)  # the first is not counted
    return replace(options, steps=steps, epochs=turns * (TURN + 1), **changes).completed()


def in_turns(world: World, steps: int, sides: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of a step of each side: the median of its turns, each as long as on the slowest rank. Collective."""
    rounds = math.ceil(steps / TURN)
    seconds = take_turns(world, list(sides.values()), rounds, TURN, uncounted=1)
    return dict(zip(sides, np.median(seconds, axis=0).tolist(), strict=True))


def _table(measured: dict[str, Any]) -> Table:
    exchange, alone = (f"{1e3 * measured[key]:.2f} ms" for key in ("step_seconds", "step_seconds_alone"))
    what = {key: str(measured[key]) for key in ("model", "ranks", "batch", "algorithm", "engine")}
    table = Table(*what, "with exchange", "alone", "ratio")
    table.add_row(*what.values(), exchange, alone, f"{measured['ratio']:.3f}")
    return table
