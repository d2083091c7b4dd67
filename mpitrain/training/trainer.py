"""One replica's training: model, data, optimiser and strategy, moved on one step at a time."""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple, NoReturn

import numpy as np

from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.data import Dataset, epoch_order, share
from mpitrain.errors import Diverged, UsageError
from mpitrain.models import MODELS
from mpitrain.nn.cost import cost
from mpitrain.nn.layer import Call
from mpitrain.nn.layout import Layout
from mpitrain.nn.loss import softmax_cross_entropy
from mpitrain.nn.sequential import Sequential
from mpitrain.optim import SGD, linear_decay, scaled
from mpitrain.parallel.data import DataParallel, Exchanged
from mpitrain.parallel.rows import rows
from mpitrain.training.agreement import agreed
from mpitrain.training.config import Config
from mpitrain.world import World

EVALUATED_AT_ONCE = 250

SGD_FLOPS = 6
"""Operations for each parameter: weight decay, momentum and the step, each a product and a sum."""


class StepDone(NamedTuple):
    """What one step did. `loss` is the mean over the global batch; times are seconds on the world's clock."""

    step: int
    epoch: int
    loss: float
    correct: int
    samples: int
    lr: float
    begun: float
    ended: float
    exchanged: Exchanged


class Evaluation(NamedTuple):
    loss: float
    accuracy: float


class Trainer:
    """Alike on every rank but for the samples it is dealt. Collective to make; `step` and `evaluate` are collective."""

    def __init__(self, world: World, config: Config, dataset: Dataset):
        self.world, self.config, self.dataset = world, config, dataset
        agreed(world, lambda: _check_algorithm(config.algorithm, world))
        self.global_batch = global_batch(config, dataset, world.size)
        self.steps_an_epoch = math.ceil(len(dataset.train_labels) / self.global_batch)
        self.steps = self.steps_an_epoch * config.epochs
        self.warmup_steps = min(config.own_warmup_steps, self.steps // 2)
        self.rate = scaled(config.own_lr, self.global_batch)
        self.model = _model(config, dataset)
        self.layout = Layout.of(self.model)
        self.strategy = DataParallel(world, self.layout, config.algorithm, config.bucket_bytes)
        self.values = world.empty(self.layout.count)
        self.layout.bind(self.model, self.values, self.strategy.gradients)
        self.layout.initialise(self.values, config.seed)
        self.cost = cost(self.model, dataset.test_batch(slice(0, 1))[0])
        self.optimiser = SGD(self.values, config.momentum, config.nesterov, config.own_weight_decay)
        self.done = 0  # steps so far
        self.last_loss = math.nan
        self._shuffled = (-1, np.empty(0, np.int64))  # an epoch and its order

    def step(self) -> StepDone:
        """One global batch, forward, backward, exchange, update. `Diverged` on every rank if it is no number."""
        begun = self.world.now()
        epoch, position = divmod(self.done, self.steps_an_epoch)
        batch = self._order(epoch)[position * self.global_batch :][: self.global_batch]
        mine = batch[np.asarray(share(len(batch), self.world.rank, self.world.size), dtype=np.intp)]
        images, labels = self.dataset.batch(mine)
        logits, context = self.model.forward(images, Call(True, self.config.seed, self.done, mine))
        self.world.compute(flops=self.cost.forward * len(mine))
        loss_sum, correct, dlogits = softmax_cross_entropy(logits, labels, 1 / len(batch))
        self.strategy.begin(loss_sum, correct)
        self.model.backward(context, dlogits, finished=partial(self._finished, len(mine)), input_gradient=False)
        exchanged = self.strategy.finish()
        loss = exchanged.loss_sum / len(batch)
        if not (math.isfinite(loss) and _finite(self.strategy.gradients)):
            self._report_divergence(loss, loss_sum)
        lr = linear_decay(self.rate, self.done, self.steps, self.warmup_steps)
        self.optimiser.step(self.strategy.gradients, lr)
        self.world.compute(flops=SGD_FLOPS * self.layout.count)
        self.done += 1
        self.last_loss = loss
        return StepDone(
            self.done, epoch + 1, loss, exchanged.correct, len(batch), lr, begun, self.world.now(), exchanged
        )

    def evaluate(self) -> Evaluation:
        """Mean loss and share of right predictions over the held-out data, dealt to all ranks."""
        count = len(self.dataset.test_labels)
        mine = share(count, self.world.rank, self.world.size)
        totals = np.zeros(2)
        for start in range(mine.start, mine.stop, EVALUATED_AT_ONCE):
            images, labels = self.dataset.test_batch(slice(start, min(start + EVALUATED_AT_ONCE, mine.stop)))
            logits, _ = self.model.forward(images, Call(False, self.config.seed, self.done))
            totals += softmax_cross_entropy(logits, labels, 1.0)[:2]
            self.world.compute(flops=self.cost.forward * len(images))
        loss_sum, correct = self.world.allreduce(totals)
        return Evaluation(float(loss_sum) / count, float(correct) / count)

    def close(self) -> None:
        """Free what was made. Collective."""
        self.strategy.close()

    def state(self) -> dict[str, np.ndarray]:
        """All that the next step depends on, besides the configuration."""
        own = {"values": self.values, "done": np.array(self.done), "last_loss": np.array(self.last_loss)}
        parts = {"optimiser": self.optimiser.state(), "strategy": self.strategy.state()}
        return own | {f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state()` of the same configuration and number of ranks."""
        self.values[...] = state["values"]
        self.done, self.last_loss = state["done"].item(), state["last_loss"].item()
        for part, owner in (("optimiser", self.optimiser), ("strategy", self.strategy)):
            prefix = f"{part}."
            owner.load_state({name.removeprefix(prefix): a for name, a in state.items() if name.startswith(prefix)})

    def _finished(self, samples: int, unit: str) -> None:
        """Backward is past a unit, with so many samples."""
        self.world.compute(flops=self.cost.backward[unit] * samples)
        self.strategy.finished(unit)

    def _order(self, epoch: int) -> np.ndarray:
        if self._shuffled[0] != epoch:
            self._shuffled = (epoch, epoch_order(len(self.dataset.train_labels), self.config.seed, epoch))
        return self._shuffled[1]

    def _report_divergence(self, loss: float, own_loss_sum: float) -> NoReturn:
        finite = rows(self.world, np.array([math.isfinite(own_loss_sum)]))
        culprits = [str(rank) for rank in range(self.world.size) if not finite[rank]]
        where = f"the loss is {loss}, on rank {', '.join(culprits)}" if culprits else "the gradient is not finite"
        last = f"the last finite step is {self.done}, loss {self.last_loss:.6g}" if self.done else "no step was finite"
        raise Diverged(f"step {self.done + 1}: {where}; {last}; try a smaller --lr, or more --warmup-steps")


def _finite(vector: np.ndarray) -> bool:
    """Whether it holds numbers only. The squares' sum is BLAS's, and takes two thirds of the time of `sum`; it is no
    number above 1e19 either, and then a second look tells."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(vector @ vector) or bool(np.isfinite(vector).all())


def global_batch(config: Config, dataset: Dataset, size: int) -> int:
    """Samples of all ranks in a step; a batch larger than the data is all of the data."""
    return min(config.global_batch or config.batch * size, len(dataset.train_labels))


def _check_algorithm(name: str, world: World) -> None:
    """`UsageError` where the algorithm, with the parameters it was given, is none for so many ranks."""
    algorithm = None if name == "auto" else find("allreduce", name)
    try:
        if isinstance(algorithm, Algorithm):
            algorithm.schedule(world.size).program(world.rank)
    except ScheduleError as error:
        raise UsageError(f"--algorithm {name}: {error}") from None


def _model(config: Config, dataset: Dataset) -> Sequential:
    options = {"hidden": config.hidden}
    if config.model == "cnn":
        options["channels"] = config.channels
    return MODELS[config.model](dataset.shape, dataset.classes, **options)
