"""What rank 0 shows while it trains: a live bar on a terminal, else one line an epoch. Other ranks show nothing."""

import os
import time
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, Progress, TextColumn

from mpitrain.launch_environment import stdout_terminal
from mpitrain.models.task import Score
from mpitrain.training.config import Config
from mpitrain.training.timeline import Shares
from mpitrain.training.trainer import Evaluation, StepDone

REFRESH_SECONDS = 0.1


class Display(Protocol):
    def step(self, done: StepDone) -> None:
        """After every step."""

    def epoch(self, done: StepDone, loss: float, held_out: Evaluation, rate: float, shares: Shares) -> None:
        """After every epoch: mean training loss, held-out results, samples a second, and where the time went."""

    def close(self) -> None:
        """The terminal is as it was."""


class Silent:
    """Every rank but 0."""

    def step(self, done: StepDone) -> None:
        pass

    def epoch(self, done: StepDone, loss: float, held_out: Evaluation, rate: float, shares: Shares) -> None:
        pass

    def close(self) -> None:
        pass


class Plain(Silent):
    """One line an epoch."""

    def __init__(self, console: Console, epochs: int, steps: int, score: Score, predicted: bool = False):
        """`predicted`: time is a model's, and each line says when it is on that clock."""
        self.console, self.epochs, self.steps, self.score, self.predicted = console, epochs, steps, score, predicted

    def epoch(self, done: StepDone, loss: float, held_out: Evaluation, rate: float, shares: Shares) -> None:
        self.console.print(
            f"epoch {done.epoch:{len(str(self.epochs))}}/{self.epochs}  step {done.step:{len(str(self.steps))}}  "
            f"loss {loss:<#6.4g}  {self.score.label} {self.score.shown(held_out.score)}  {rate:,.0f} samples/s  "
            f"comm {shares.communication_share:.0%}"
            f"{f'  predicted {done.ended:#.3g} s' if self.predicted else ''}",
            soft_wrap=True,
            highlight=False,
        )


class WholeLines(Progress):
    """A bar with an empty line below: mpirun passes on whole lines only, and would keep the bar back for ever."""

    def get_renderable(self) -> RenderableType:
        return Group(*self.get_renderables(), "")


class Live(Plain):
    """A bar that moves with every step, and above it a line for every epoch that is done."""

    def __init__(self, console: Console, epochs: int, steps: int, score: Score, predicted: bool = False):
        super().__init__(console, epochs, steps, score, predicted)
        self.bar = WholeLines(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            TextColumn("step {task.completed}/{task.total}  loss {task.fields[loss]:#.4g}"),
            TextColumn("{task.fields[rate]:,.0f} samples/s  comm {task.fields[communication]:.0%}"),
            console=console,
            auto_refresh=False,
            expand=True,
        )
        self.task = self.bar.add_task("", total=steps, epoch=1, epochs=epochs, loss=0.0, rate=0.0, communication=0.0)
        self.shown = 0.0
        self.bar.start()
        console.show_cursor(True)  # else a job that is killed leaves the terminal without one

    def step(self, done: StepDone) -> None:
        now = time.perf_counter()
        if now - self.shown < REFRESH_SECONDS and done.step != self.steps:
            return
        self.shown = now
        seconds = done.ended - done.begun
        self.bar.update(
            self.task, completed=done.step, epoch=done.epoch, loss=done.loss,
            rate=done.samples / seconds, communication=done.exchanged.seconds / seconds, refresh=True,
        )  # fmt: skip

    def close(self) -> None:
        self.bar.stop()


def display(config: Config, rank: int, steps: int, score: Score) -> Display:
    """The display for this rank and terminal, of a run that ends at step `steps`."""
    if rank != 0:
        return Silent()
    live = stdout_terminal(os.environ) is not None if config.progress == "auto" else config.progress == "live"
    return (Live if live else Plain)(terminal(config), config.recipe.epochs, steps, score, config.virtual is not None)


def terminal(config: Config) -> Console:
    """Where rank 0 writes: as wide as the terminal that its output ends on."""
    size = stdout_terminal(os.environ)
    live = size is not None or config.progress == "live"
    columns = size[0] if size else 100
    return Console(force_terminal=live and config.progress != "plain", width=columns)
