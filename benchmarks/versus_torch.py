"""A step of training on one core beside PyTorch's, in one process and in turns.

    python benchmarks/versus_torch.py --model gpt

Both sides start from the same values and do the same mathematics on the same samples, each with one thread; that is
checked first, by their losses. Medians of samples of some steps; a ratio of 0.8 says that ours takes 0.8 times as long
as PyTorch's fastest variant.

OpenBLAS takes the processor's own kernels only if OPENBLAS_CORETYPE is not set: look at the environment first.

PyTorch comes with the extra `[test-torch]`.
"""

import statistics
from pathlib import Path
from typing import Literal

import cyclopts
import torch
from rich.console import Console
from rich.table import Table
from torch_twin import TorchTwin

from mpitrain.cli.bench_step import lasting
from mpitrain.cli.json_file import write_json
from mpitrain.cli.turns import take_turns
from mpitrain.data import load
from mpitrain.engines.cores import limit_blas_threads
from mpitrain.engines.solo import SoloWorld
from mpitrain.training.config import Config
from mpitrain.training.option_types import Whole
from mpitrain.training.trainer import Trainer

MEASURED = {
    "mlp": Config(model="mlp", hidden=(1024, 1024), batch=64),
    "cnn": Config(model="cnn", channels=(32, 64), hidden=(128,), batch=32),
    "gpt": Config(model="gpt", size="nano", batch=16),
}
FORMATS = {"PyTorch": torch.contiguous_format, "PyTorch, channels last": torch.channels_last}
CHECKED_STEPS = 5
TOLERANCE = 1e-3  # of a loss: float32 sums in another order, over a few steps


def main(
    *,
    model: Literal["mlp", "cnn", "gpt"] = "mlp",
    rounds: Whole = 21,
    calls: Whole = 10,
    json: Path | None = None,
) -> None:
    """Measure samples of `calls` steps of each side in turns, `rounds` times, and print a table."""
    torch.set_num_threads(1)
    limit_blas_threads(1)
    world = SoloWorld()
    options = lasting(MEASURED[model], CHECKED_STEPS + (rounds + 1) * calls)
    ours = Trainer(world, options, load(options.recipe.data))
    theirs = {name: TorchTwin(ours, form) for name, form in FORMATS.items() if model == "cnn" or name == "PyTorch"}
    check(ours, theirs)
    samples = take_turns(world, [ours.step, *(twin.step for twin in theirs.values())], rounds, calls)
    seconds = dict(zip(["mpitrain", *theirs], map(statistics.median, samples.T), strict=True))
    peer = min(theirs, key=seconds.__getitem__)
    ratios = samples[:, 0] / samples[:, 1 + list(theirs).index(peer)]
    show(f"a step of {model}, batch {options.recipe.batch}, one thread, torch {torch.__version__}", seconds, peer)
    if json is not None:
        write_json(json, {
            "model": model, "torch": torch.__version__, "seconds": seconds, "peer": peer,
            "ratio": statistics.median(ratios), "ratios": ratios.tolist(),
        })  # fmt: skip


def check(ours: Trainer, theirs: dict[str, TorchTwin]) -> None:
    """Raise ArithmeticError if the losses of the first steps differ."""
    for number in range(1, CHECKED_STEPS + 1):
        expected = ours.step().loss
        for name, twin in theirs.items():
            found = twin.step()
            if not abs(found - expected) <= TOLERANCE * expected:
                raise ArithmeticError(f"step {number}: {name} has a loss of {found}, expected ours, {expected}")


def show(title: str, seconds: dict[str, float], peer: str) -> None:
    table = Table("", "ms", f"/ {peer}", title=title, title_justify="left")
    for name, value in seconds.items():
        table.add_row(name, f"{1e3 * value:.2f}", f"{value / seconds[peer]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    cyclopts.run(main)
