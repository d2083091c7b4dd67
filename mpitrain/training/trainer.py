"""One replica's training: model, data, optimiser and strategy, moved on one step at a time."""

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mpitrain.array import to_host
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import find as find_algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.data import share
from mpitrain.data.samples import Samples
from mpitrain.device import Device, find
from mpitrain.errors import Diverged, UsageError
from mpitrain.models import MODELS
from mpitrain.nn.layer import Call
from mpitrain.parallel.data import DataParallel, Exchanged
from mpitrain.parallel.rows import rows
from mpitrain.training.agreement import agreed
from mpitrain.training.batches import Batches
from mpitrain.training.config import Config
from mpitrain.training.graph import GraphedPass
from mpitrain.training.precision import PRECISIONS
from mpitrain.training.replica import Replica
from mpitrain.training.update import Update, scaled_rate
from mpitrain.world import World

EVALUATED_AT_ONCE = 64

UPDATE_FLOPS = 6
"""Operations for each parameter: in SGD weight decay, momentum and the step, each a product and a sum."""


class StepDone(NamedTuple):
    """What one step did. `loss` and `score` are those of the global batch; times are seconds on the world's clock."""

    step: int
    epoch: int
    loss: float
    score: float
    samples: int
    lr: float
    begun: float
    ended: float
    exchanged: Exchanged


class Evaluation(NamedTuple):
    """`score` is what the model's task makes of it: an accuracy, bits per byte, ..."""

    loss: float
    score: float


class Trainer:
    """Alike on every rank but for the samples it is dealt. Collective to make; `step` and `evaluate` are collective."""

    def __init__(self, world: World, config: Config, dataset: Samples, device: Device | None = None):
        """`world` gives memory of the device, by default the CPU."""
        self.world, self.config, self.dataset = world, config, dataset
        self.device = find("cpu") if device is None else device
        agreed(world, lambda: _check(config, dataset, world))
        self.batches = Batches(world, config, dataset)
        self.global_batch, self.steps_an_epoch = self.batches.global_batch, self.batches.steps_an_epoch
        self.replica = Replica(world, config, dataset, self.device)
        self.task, self.layout, self.values = self.replica.task, self.replica.layout, self.replica.values
        if config.graphs and world.size > 1 and self.layout.buffers and config.recipe.batch_norm == "sync":
            raise UsageError(
                "--batch-norm sync: expected local with --graphs: a graph cannot sum over ranks between its layers",
                agreed=True,
            )
        dtype = PRECISIONS[config.precision].dtype
        self.strategy = DataParallel(world, self.layout, config.algorithm, config.bucket_bytes, dtype)
        self.replica.bind(self.strategy.gradients, dataset.test_batch(slice(0, 1))[0])
        self.rate = scaled_rate(config, self.global_batch)
        self.update = Update(world, config, self.layout, self.values, self.replica.copy, self.batches.steps)
        self.graphed = GraphedPass(self.device, self._whole_pass, self.replica.buffers) if config.graphs else None
        self.done = 0  # steps so far
        self.last_loss = math.nan

    def step(self) -> StepDone:
        """One global batch, forward, backward, exchange, update. `Diverged` on every rank if it is no number."""
        begun = self.world.now()
        epoch, samples = self.done // self.steps_an_epoch, self.batches.count(self.done)
        predictions = samples * self.dataset.predictions
        scale = self.update.scale / predictions
        own_loss_sum = self._pass(scale) if self.graphed is None else self._pass_by_graph(self.graphed, scale)
        exchanged = self.strategy.finish()
        loss, lr = exchanged.loss_sum / predictions, self.lr(self.done)
        skipping = self.update.loss_scale is not None
        if not (math.isfinite(loss) and (self.update.apply(self.strategy.gradients, lr) or skipping)):
            self._report_divergence(loss, own_loss_sum)
        self.world.compute(flops=UPDATE_FLOPS * self.layout.count)
        self.done += 1
        self.last_loss = loss
        score = self.task.score.of(loss, exchanged.score_sum / predictions)
        return StepDone(self.done, epoch + 1, loss, score, samples, lr, begun, self.world.now(), exchanged)

    def lr(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return self.update.lr(self.rate, step)

    def _pass(self, scale: float) -> Any:
        """Microbatch by microbatch; buckets go out while the last one's backward runs. Gives the sum of the losses."""
        microbatches, loss_sum, score_sum = self.config.microbatches, 0.0, 0.0
        reduce = self.world.allreduce if self.world.size > 1 else None
        for number in range(microbatches):
            batch = self.batches.take(self.done, number)
            call = Call(True, self.config.seed, self.done, batch.samples, reduce)
            scored, backward = self.replica.forward(batch.inputs, batch.targets, scale, call)
            self.world.compute(flops=self.replica.cost.forward * len(batch.samples))
            loss_sum, score_sum = loss_sum + scored.loss_sum, score_sum + scored.score_sum
            last = number == microbatches - 1
            if last:
                self.strategy.begin(loss_sum, score_sum)
            backward(number > 0, partial(self._finished, len(batch.samples), last))
        return loss_sum

    def _pass_by_graph(self, graphed: GraphedPass, scale: float) -> Any:
        """The same, of one microbatch, as one launch; buckets go out after it."""
        batch = self.batches.take(self.done, 0)
        sums = graphed(batch.inputs, batch.targets, scale)
        self.strategy.begin(*sums)
        for unit in self.layout.units:
            self._finished(len(batch.samples), True, unit)
        return sums[0]

    def _whole_pass(self, inputs: Any, targets: Any, scale: float) -> tuple[Any, Any]:
        """What a graph is made of: all that happens on the device between a batch and its gradients."""
        scored, backward = self.replica.forward_placed(inputs, targets, scale, Call(True, self.config.seed))
        backward(False, None)
        return scored.loss_sum, scored.score_sum

    def evaluate(self) -> Evaluation:
        """Mean loss and score over the held-out data, dealt to all ranks; with averaged weights, if there are any.

        Running statistics that each rank has kept for itself become their mean: from here on all ranks are alike.
        """
        if self.layout.buffers and self.config.recipe.batch_norm == "local":
            self.world.allreduce(self.replica.buffers, "mean")
        count, predictions = self.dataset.test_count, self.dataset.predictions
        mine = share(count, self.world.rank, self.world.size)
        at_once = max(1, EVALUATED_AT_ONCE // predictions)
        totals = np.zeros(2)
        with self.replica.averaged(self.update.average):
            for start in range(mine.start, mine.stop, at_once):
                batch = self.dataset.test_batch(slice(start, min(start + at_once, mine.stop)))
                call = Call(False, self.config.seed, self.done, forgetting=True)
                scored = self.replica.forward(*batch, 1.0, call).scored
                totals += float(scored.loss_sum), float(scored.score_sum)
                self.world.compute(flops=self.replica.cost.forward * len(batch[1]))
        loss, score = (float(total) / (count * predictions) for total in self.world.allreduce(totals))
        return Evaluation(loss, self.task.score.of(loss, score))

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by name, on the host: averaged, if an average is kept."""
        with self.replica.averaged(self.update.average):
            return self.replica.weights()

    def close(self) -> None:
        """Free what was made. Collective."""
        self.batches.close()
        self.strategy.close()

    def state(self) -> dict[str, np.ndarray]:
        """All that the next step depends on, besides the configuration."""
        own = {"done": np.array(self.done), "last_loss": np.array(self.last_loss)}
        named = own | {f"{part}.{name}": a for part, owner in self._parts() for name, a in owner.state().items()}
        return {name: to_host(array) for name, array in named.items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state()` of the same configuration and number of ranks."""
        self.done, self.last_loss = state["done"].item(), state["last_loss"].item()
        for part, owner in self._parts():
            prefix = f"{part}."
            owner.load_state({name.removeprefix(prefix): a for name, a in state.items() if name.startswith(prefix)})

    def _parts(self) -> tuple[tuple[str, Any], ...]:
        return ("replica", self.replica), ("update", self.update), ("strategy", self.strategy)

    def _finished(self, samples: int, last: bool, unit: str) -> None:
        """Backward is past a unit, with so many samples; its gradients are complete after the last microbatch."""
        self.world.compute(flops=self.replica.cost.backward[unit] * samples)
        if last:
            self.strategy.finished(unit)

    def _report_divergence(self, loss: float, own_loss_sum: Any) -> NoReturn:
        finite = rows(self.world, np.array([math.isfinite(float(own_loss_sum))]))
        culprits = [str(rank) for rank in range(self.world.size) if not finite[rank]]
        where = f"the loss is {loss}, on rank {', '.join(culprits)}" if culprits else "the gradient is not finite"
        last = f"the last finite step is {self.done}, loss {self.last_loss:.6g}" if self.done else "no step was finite"
        raise Diverged(f"step {self.done + 1}: {where}; {last}; try a smaller --lr, or more --warmup-steps")


def _check(config: Config, dataset: Samples, world: World) -> None:
    """`UsageError` where the data are not for the model, or the algorithm, with its parameters, for so many ranks."""
    model = MODELS[config.model]
    if dataset.kind != model.kind:
        fitting = ", ".join(name for name, other in MODELS.items() if other.kind == dataset.kind)
        raise UsageError(
            f"--data {dataset.name}: {dataset.kind}, expected {model.kind} for model {config.model}; "
            f"take other data, or a model for {dataset.kind} ({fitting})"
        )
    targets = "numbers" if dataset.classes is None else "classes"
    if targets != model.task.targets:
        raise UsageError(
            f"--data {dataset.name}: {targets} to predict, expected {model.task.targets} for model {config.model}; "
            f"`mpitrain models` lists what each model takes"
        )
    algorithm = None if config.algorithm == "auto" else find_algorithm("allreduce", config.algorithm)
    try:
        if isinstance(algorithm, Algorithm):
            algorithm.schedule(world.size).program(world.rank)
    except ScheduleError as error:
        raise UsageError(f"--algorithm {config.algorithm}: {error}") from None
