"""One replica's training: model, data, optimiser and strategy, moved on one step at a time."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mpitrain.array import to_host
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import find as find_algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.data import share
from mpitrain.data.samples import Inputs, Samples
from mpitrain.device import Device, find
from mpitrain.errors import Diverged, UsageError
from mpitrain.models import MODELS
from mpitrain.nn.cost import cost
from mpitrain.nn.layer import Call
from mpitrain.nn.layout import Layout
from mpitrain.parallel.data import DataParallel, Exchanged
from mpitrain.parallel.rows import rows
from mpitrain.training.agreement import agreed
from mpitrain.training.batches import Batches
from mpitrain.training.config import Config
from mpitrain.training.graph import GraphedPass
from mpitrain.training.precision import PRECISIONS
from mpitrain.training.update import Update, scaled_rate
from mpitrain.world import World

EVALUATED_AT_ONCE = 250

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
        model, recipe, precision = MODELS[config.model], config.recipe, PRECISIONS[config.precision]
        self.batches = Batches(world, config, dataset)
        self.global_batch, self.steps_an_epoch = self.batches.global_batch, self.batches.steps_an_epoch
        self.task, self.model = model.task, model.build(dataset, recipe)
        self.layout = Layout.of(self.model)
        self.strategy = DataParallel(world, self.layout, config.algorithm, config.bucket_bytes, precision.dtype)
        self.values = world.empty(self.layout.count)
        self.layout.initialise(self.values, config.seed)
        self.working = world.empty(self.layout.count, precision.dtype) if precision.half else self.values
        self.buffers = self.device.xp.empty(self.layout.buffer_count, np.float32)
        self.layout.initialise_buffers(self.buffers)
        self.layout.bind(self.model, self.working, self.strategy.gradients, self.buffers)
        self._renew_working()
        self.cost = cost(self.model, self._inputs(dataset.test_batch(slice(0, 1))[0]))
        self.rate = scaled_rate(config, self.global_batch)
        copy = self.working if precision.half else None
        self.update = Update(world, config, self.layout, self.values, copy, self.batches.steps)
        self.graphed = GraphedPass(self.device, self._whole_pass, self.buffers) if config.graphs else None
        self.done = 0  # steps so far
        self.last_loss = math.nan

    def step(self) -> StepDone:
        """One global batch, forward, backward, exchange, update. `Diverged` on every rank if it is no number."""
        begun = self.world.now()
        epoch, samples = self.done // self.steps_an_epoch, self.batches.count(self.done)
        predictions = samples * self.dataset.predictions
        own_loss_sum = self._forward_and_backward(self.update.scale / predictions)
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

    def _forward_and_backward(self, scale: float) -> Any:
        """Microbatch by microbatch; buckets go out while the last one's backward runs. Gives the sum of the losses."""
        if self.graphed is not None:
            batch = self.batches.take(self.done, 0)
            sums = self.graphed(batch.inputs, batch.targets, scale)
            self.strategy.begin(*sums)
            for unit in self.layout.units:
                self._finished(len(batch.samples), True, unit)
            return sums[0]
        microbatches, loss_sum, score_sum = self.config.microbatches, 0.0, 0.0
        for number in range(microbatches):
            batch = self.batches.take(self.done, number)
            inputs, targets = self._on_device(batch.inputs, batch.targets)
            call = Call(True, self.config.seed, self.done, batch.samples, self._reduce)
            output, context = self.model.forward(inputs, call)
            self.world.compute(flops=self.cost.forward * len(batch.samples))
            scored = self.task.loss(output, targets, scale)
            loss_sum, score_sum = loss_sum + scored.loss_sum, score_sum + scored.score_sum
            last = number == microbatches - 1
            if last:
                self.strategy.begin(loss_sum, score_sum)
            finished = partial(self._finished, len(batch.samples), last)
            self.model.backward(context, scored.gradient, number > 0, finished, input_gradient=False)
        return loss_sum

    def _whole_pass(self, inputs: Any, targets: Any, scale: float) -> tuple[Any, Any]:
        """What a graph is made of: all that happens on the device between a batch and its gradients."""
        output, context = self.model.forward(self._cast(inputs), Call(True, self.config.seed))
        scored = self.task.loss(output, targets, scale)
        self.model.backward(context, scored.gradient, input_gradient=False)
        return scored.loss_sum, scored.score_sum

    def evaluate(self) -> Evaluation:
        """Mean loss and score over the held-out data, dealt to all ranks; with averaged weights, if there are any."""
        count = self.dataset.test_count
        mine = share(count, self.world.rank, self.world.size)
        at_once = max(1, EVALUATED_AT_ONCE // self.dataset.predictions)
        totals = np.zeros(2)
        with self.averaged():
            for start in range(mine.start, mine.stop, at_once):
                indices = slice(start, min(start + at_once, mine.stop))
                inputs, targets = self._on_device(*self.dataset.test_batch(indices))
                output, _ = self.model.forward(inputs, Call(False, self.config.seed, self.done))
                scored = self.task.loss(output, targets, 1.0)
                totals += float(scored.loss_sum), float(scored.score_sum)
                self.world.compute(flops=self.cost.forward * len(targets))
        loss_sum, score_sum = self.world.allreduce(totals)
        loss = float(loss_sum) / (count * self.dataset.predictions)
        return Evaluation(loss, self.task.score.of(loss, float(score_sum) / (count * self.dataset.predictions)))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """While it lasts, the values are their moving average, if one is kept."""
        average = self.update.average
        if average is None:
            yield
            return
        kept = self.values.copy()
        average.read(self.values)
        self._renew_working()
        try:
            yield
        finally:
            self.values[...] = kept
            self._renew_working()

    def weights(self) -> dict[str, np.ndarray]:
        """Parameters and buffers by name, on the host: averaged, if an average is kept."""
        with self.averaged():
            named = self.layout.named(self.values) | self.layout.named_buffers(self.buffers)
            return {name: np.array(to_host(array)) for name, array in named.items()}

    def close(self) -> None:
        """Free what was made. Collective."""
        self.batches.close()
        self.strategy.close()

    def state(self) -> dict[str, np.ndarray]:
        """All that the next step depends on, besides the configuration."""
        own = {
            "values": self.values,
            "buffers": self.buffers,
            "done": np.array(self.done),
            "last_loss": np.array(self.last_loss),
        }
        parts = {"update": self.update.state(), "strategy": self.strategy.state()}
        return {
            name: to_host(array)
            for name, array in (
                own | {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}
            ).items()
        }

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state()` of the same configuration and number of ranks."""
        self.values[...], self.buffers[...] = self.device.array(state["values"]), self.device.array(state["buffers"])
        self._renew_working()
        self.done, self.last_loss = state["done"].item(), state["last_loss"].item()
        for part, owner in (("update", self.update), ("strategy", self.strategy)):
            prefix = f"{part}."
            owner.load_state({name.removeprefix(prefix): a for name, a in state.items() if name.startswith(prefix)})

    def _renew_working(self) -> None:
        """The network's own numbers become the masters', rounded."""
        if self.working is not self.values:
            self.working[...] = self.values

    def _reduce(self, array: Any) -> Any:
        """What layers sum over all ranks."""
        return self.world.allreduce(array)

    def _on_device(self, inputs: Inputs, targets: np.ndarray) -> tuple[Any, Any]:
        return self._inputs(inputs), self.device.array(targets)

    def _inputs(self, inputs: Inputs) -> Any:
        """On the device, numbers in the network's own precision."""
        if isinstance(inputs, tuple):
            return tuple(map(self._inputs, inputs))
        return self._cast(self.device.array(inputs))

    def _cast(self, inputs: Any) -> Any:
        """Numbers in the network's own precision; ids as they are."""
        if isinstance(inputs, tuple):
            return tuple(map(self._cast, inputs))
        return inputs.astype(self.working.dtype, copy=False) if inputs.dtype.kind == "f" else inputs

    def _finished(self, samples: int, last: bool, unit: str) -> None:
        """Backward is past a unit, with so many samples; its gradients are complete after the last microbatch."""
        self.world.compute(flops=self.cost.backward[unit] * samples)
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
    if config.graphs and world.size > 1 and model.normalises and config.recipe.batch_norm == "sync":
        raise UsageError(
            "--graphs: a graph cannot sum over ranks between its layers: expected --batch-norm local, found sync"
        )
    algorithm = None if config.algorithm == "auto" else find_algorithm("allreduce", config.algorithm)
    try:
        if isinstance(algorithm, Algorithm):
            algorithm.schedule(world.size).program(world.rank)
    except ScheduleError as error:
        raise UsageError(f"--algorithm {config.algorithm}: {error}") from None
