"""Where the time of a training step goes, part by part.

    mpirun -n 2 python benchmarks/step_profile.py --model cnn

Every part is timed from outside, on rank 0 while all ranks work: medians over steps. What the parts of a step do not
account for (Python between them, the check that the gradient is finite) is the rest; being medians, parts and rest need
not add up to the step on a busy machine.
"""

import statistics
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Literal

import cyclopts
from rich.console import Console
from rich.table import Table

import mpitrain
from mpitrain.cli.bench_step import MEASURED, lasting
from mpitrain.data import load
from mpitrain.training import trainer as training
from mpitrain.training.option_types import Engine, Whole

LAYER = {"forward": "forward", "backward_weights": "weights' gradient", "backward_input": "input's gradient"}
EXCHANGE = ("begin", "finished", "finish")
UNCOUNTED_STEPS = 10


class Clock:
    """Seconds of each part, summed within a step."""

    def __init__(self, now: Callable[[], float]):
        self.now, self.step = now, defaultdict[str, float](float)
        self.steps: list[dict[str, float]] = []

    def times(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The same function, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            began = self.now()
            result = function(*arguments, **options)
            self.step[part] += self.now() - began
            return result

        return timed

    def end_step(self) -> None:
        whole = self.step.pop("step")
        self.steps.append(self.step | {"rest": whole - sum(self.step.values()), "step": whole})
        self.step.clear()


class TimedData:
    """A data set whose batches are timed."""

    def __init__(self, dataset: Any, clock: Clock):
        self.dataset = dataset
        self.batch = clock.times(dataset.batch, "batch")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dataset, name)


def watch(trainer: training.Trainer, clock: Clock) -> None:
    """Put a clock to every part of the trainer's steps."""
    for name, layer in trainer.replica.model.layers.items():
        for method, what in LAYER.items():
            setattr(layer, method, clock.times(getattr(layer, method), f"{name}, {what}"))
    for method in EXCHANGE:
        setattr(trainer.strategy, method, clock.times(getattr(trainer.strategy, method), "exchange"))
    trainer.update.apply = clock.times(trainer.update.apply, "update")
    trainer.batches.dataset = TimedData(trainer.dataset, clock)
    trainer.replica.task = trainer.task._replace(loss=clock.times(trainer.task.loss, "loss"))


def main(
    *, model: Literal["mlp", "cnn"] = "mlp", steps: Whole = 300, algorithm: str = "auto", engine: Engine = "auto"
) -> None:
    """Measure, and print a table."""
    options = lasting(MEASURED[model], UNCOUNTED_STEPS + steps, algorithm=algorithm, engine=engine)
    with mpitrain.init(engine) as world:
        trainer = training.Trainer(world, options, load(options.recipe.data))
        for _ in range(UNCOUNTED_STEPS):
            trainer.step()
        clock = Clock(world.now)
        watch(trainer, clock)
        step = clock.times(trainer.step, "step")
        for _ in range(steps):
            step()
            clock.end_step()
        if world.rank == 0:
            parts = {part: statistics.median(one[part] for one in clock.steps) for part in clock.steps[0]}
            show(parts, f"a step of {model}, {options.batch} images a rank, {world.size} ranks")


def show(parts: dict[str, float], title: str) -> None:
    table = Table("part", "us", "share", title=title, title_justify="left")
    for part, seconds in parts.items():
        table.add_row(part, f"{1e6 * seconds:,.0f}", f"{seconds / parts['step']:.1%}")
    Console().print(table)


if __name__ == "__main__":
    cyclopts.run(main)
