"""A run from start to summary: epochs, metrics, checkpoints."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mpitrain.data import load
from mpitrain.device import Device, find
from mpitrain.engines.cores import blas_threads, limit_blas_threads
from mpitrain.errors import Diverged, UsageError
from mpitrain.training.agreement import agreed
from mpitrain.training.checkpoint import Checkpoint, read, write, write_weights
from mpitrain.training.config import Config
from mpitrain.training.curves import draw_curves
from mpitrain.training.progress import Display, display, terminal
from mpitrain.training.run_folder import RunFolder
from mpitrain.training.summary import show, summarise
from mpitrain.training.timeline import Timeline
from mpitrain.training.trainer import Evaluation, StepDone, Trainer
from mpitrain.world import World


@dataclass
class EpochTotals:
    """Sums over the steps of an epoch so far; part of a checkpoint, since a run may stop within an epoch."""

    loss_sum: float = 0.0
    score_sum: float = 0.0
    samples: int = 0
    seconds: float = 0.0

    def add(self, done: StepDone) -> None:
        self.loss_sum += done.loss * done.samples
        self.score_sum += done.exchanged.score_sum
        self.samples += done.samples
        self.seconds += done.ended - done.begun

    @property
    def loss(self) -> float:
        return self.loss_sum / self.samples

    def state(self) -> np.ndarray:
        return np.array([self.loss_sum, self.score_sum, self.samples, self.seconds])

    @classmethod
    def of(cls, state: np.ndarray) -> "EpochTotals":
        return cls(float(state[0]), float(state[1]), int(state[2]), float(state[3]))


def train(world: World, config: Config, resumed: Path | None = None) -> dict[str, Any]:
    """Train as configured, or go on with the run in the folder `resumed`; returns the summary. Collective.

    `UsageError` on every rank for what the user can mend, `Diverged` on every rank for a loss that is no number.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that are none are found, and said once
        return _train(world, config, resumed)


def _train(world: World, config: Config, resumed: Path | None) -> dict[str, Any]:
    if config.device == "cpu":
        return _train_on(world, find("cpu"), config, resumed)
    from mpitrain.engines.transport import reach_devices

    device = agreed(world, lambda: _device(config, world.node_rank))
    with reach_devices(world, device) as reaching:
        return _train_on(reaching, device, config, resumed)


def _device(config: Config, local_rank: int) -> Device:
    device = find(config.device, local_rank)
    if config.precision == "tf32":
        device.allow_tf32()
    return device


def _train_on(world: World, device: Device, config: Config, resumed: Path | None) -> dict[str, Any]:
    began = world.now()
    dataset = agreed(world, lambda: load(config.recipe.data, config.data_dir, sequence=config.recipe.gpt_size.sequence))
    trainer = Trainer(world, config, dataset, device)
    if config.explain and world.rank == 0:
        print(trainer.strategy.explained(), flush=True)
    totals = EpochTotals()
    if resumed is not None:
        saved = agreed(world, lambda: _resumable(trainer, RunFolder(resumed)))
        limit_blas_threads(saved.blas_threads)
        trainer.load_state(saved.state)
        totals = EpochTotals.of(saved.state["epoch"])
    folder = agreed(world, lambda: _open(world, config, resumed, trainer.done))
    screen = display(config, world.rank, trainer.batches.last, trainer.task.score)
    try:
        run = _Run(trainer, totals, folder, screen)
        held_out = run.to_the_end()
    except KeyboardInterrupt:
        where = f"; go on with --resume {folder.path}" if folder and folder.checkpoint.exists() else ""
        raise KeyboardInterrupt(f"interrupted after step {trainer.done}{where}") from None
    finally:
        trainer.batches.close()
        screen.close()
        if folder is not None:
            folder.close()
    summary = summarise(trainer, run.timeline, run.totals.loss, held_out, world.now() - began)
    trainer.close()
    if folder is not None:
        folder.write_summary(summary)
        draw_curves(folder, trainer.task.score)
        show(terminal(config), summary, str(folder.path), trainer.task.score)
    return summary


def _resumable(trainer: Trainer, folder: RunFolder) -> Checkpoint:
    saved = read(folder.checkpoint, trainer.world.size, trainer.config.mathematics)
    done, last = saved.state["done"].item(), trainer.batches.last
    if done >= last:
        raise UsageError(f"--resume: {folder.path} is at step {done}, the run ends at {last}: nothing is left to do")
    return saved


def _open(world: World, config: Config, resumed: Path | None, done: int) -> RunFolder | None:
    if world.rank != 0:
        return None
    if resumed is None:
        return RunFolder.create(config)
    folder = RunFolder(resumed)
    folder.lock()
    folder.write_config(config)
    folder.forget_after(done)
    return folder


class _Run:
    """The steps of a run that are left, and their records."""

    def __init__(self, trainer: Trainer, totals: EpochTotals, folder: RunFolder | None, screen: Display):
        self.trainer, self.totals, self.folder, self.screen = trainer, totals, folder, screen
        self.timeline = Timeline(trainer.world)

    def to_the_end(self) -> Evaluation:
        """Train up to the last step, and evaluate there."""
        trainer, last = self.trainer, self.trainer.batches.last
        if self.totals.samples and trainer.done % trainer.steps_an_epoch == 0:
            self.totals = EpochTotals()
        while True:
            self._step()
            if trainer.done % trainer.steps_an_epoch == 0:
                held_out = self._end_epoch()
                if trainer.done == last:
                    return held_out
                self.totals = EpochTotals()
            elif trainer.done == last:
                self.timeline.resolve()
                held_out = self._evaluate()
                self._save()
                return held_out

    def _step(self) -> None:
        try:
            done = self.trainer.step()
        except Diverged as error:
            raise self._told(error) from None
        self.totals.add(done)
        self.timeline.add(done)
        self.last_done = done
        if self.folder is not None:
            self.folder.log({
                "kind": "step", "step": done.step, "epoch": done.epoch, "loss": done.loss,
                self.trainer.task.score.key: done.score, "lr": done.lr, "samples": done.samples,
                "seconds": done.ended - done.begun,
                "exchange_seconds": done.exchanged.seconds,
            })  # fmt: skip
        self.screen.step(done)

    def _evaluate(self) -> Evaluation:
        held_out = self.trainer.evaluate()
        if not math.isfinite(held_out.loss):
            raise self._told(Diverged(f"step {self.trainer.done}: held-out loss {held_out.loss}; try a smaller --lr"))
        return held_out

    def _told(self, error: Diverged) -> Diverged:
        """The same, and where the last good values are."""
        kept = self.folder is not None and self.folder.weights.exists()
        return Diverged(f"{error}; the last checkpoint is in {self.folder.path}") if kept and self.folder else error

    def _end_epoch(self) -> Evaluation:
        held_out, shares = self._evaluate(), self.timeline.resolve()
        totals, done, score = self.totals, self.last_done, self.trainer.task.score
        rate = totals.samples / totals.seconds
        if self.folder is not None:
            self.folder.log({
                "kind": "epoch", "step": done.step, "epoch": done.epoch, "train_loss": totals.loss,
                f"train_{score.key}": self._training_score(), "test_loss": held_out.loss,
                f"test_{score.key}": held_out.score, "samples_per_second": rate,
                "computing_seconds": shares.computing, "communicating_seconds": shares.communicating,
                "waiting_seconds": shares.waiting, "slowest_rank": shares.slowest,
            })  # fmt: skip
        self.screen.epoch(done, totals.loss, held_out, rate, shares)
        self._save()
        return held_out

    def _training_score(self) -> float:
        predictions = self.totals.samples * self.trainer.dataset.predictions
        return self.trainer.task.score.of(self.totals.loss, self.totals.score_sum / predictions)

    def _save(self) -> None:
        """Checkpoint and weights; the state is alike on every rank, so rank 0's will do."""
        if self.folder is None:
            return
        trainer = self.trainer
        state = trainer.state() | {"epoch": self.totals.state()}
        write(self.folder.checkpoint, Checkpoint(state, trainer.world.size, blas_threads(), trainer.config.mathematics))
        write_weights(self.folder.weights, trainer.weights())
