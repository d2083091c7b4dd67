"""From gradients to new parameters: unscale, clip, step, average. All ranks do the same, or none does it."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpitrain.array import to_host
from mpitrain.data import share
from mpitrain.nn.layout import Layout
from mpitrain.optim import OPTIMISERS, SCALINGS, SCHEDULES, Average, Clipped, LossScale, Optimiser, clip_norm
from mpitrain.training.config import Config
from mpitrain.training.precision import PRECISIONS
from mpitrain.world import World

Array = Any


LAYERWISE = ("lars", "lamb")
"""To these a parameter of two dimensions or more is a layer, with a rate of its own."""


class Update:
    """Moves `values`, and with them `copy`, the network's own of a half type (None: it works on the values)."""

    def __init__(self, world: World, config: Config, layout: Layout, values: Array, copy: Array | None, steps: int):
        recipe = config.recipe
        self.world, self.copy = world, copy
        self.optimiser = optimiser(config, layout, values)
        self.average = Average(values, config.average, warm_up=True) if config.average else None
        self.loss_scale = LossScale() if PRECISIONS[config.precision].scaled else None
        self.limit = recipe.clip or math.inf
        self.steps, self.warmup = steps, min(recipe.warmup_steps, steps // 2)
        self.schedule = SCHEDULES[recipe.schedule]
        self.skipped = 0

    @property
    def scale(self) -> float:
        """By which losses are to be multiplied, so that their gradients fit a half type."""
        return 1.0 if self.loss_scale is None else self.loss_scale.scale

    def lr(self, rate: float, step: int) -> float:
        """The learning rate of a step, from 0, where `rate` is the highest."""
        return self.schedule(rate, step, self.steps, self.warmup)

    def apply(self, gradients: Array, lr: float) -> bool:
        """One step down the gradients; False, and no change, if they are not finite. Collective."""
        clipped = self._clipped(gradients)
        finite = bool(np.isfinite(to_host(clipped.norm)).all())
        if self.loss_scale is not None:
            finite = bool(self.world.allreduce(np.array([int(finite)]), "min")[0])
            self.loss_scale = self.loss_scale.after(finite)
            self.skipped += not finite
        if not finite:
            return False
        self.optimiser.step(gradients, lr, clipped.scale, self.copy)
        if self.average is not None:
            self.average.update()
        return True

    def _clipped(self, gradients: Array) -> Clipped:
        """Where it matters to the last bit, each rank takes the norm of a share: unlike processors sum unlike."""
        world, scale = self.world, 1 / self.scale
        if self.limit == math.inf or world.size == 1:
            return clip_norm(gradients, self.limit, scale)
        own = share(len(gradients), world.rank, world.size)
        return clip_norm(gradients[own.start : own.stop], self.limit, scale, world.allreduce)

    def state(self) -> dict[str, Array]:
        """By part and name; what a checkpoint keeps."""
        parts = {"optimiser": self.optimiser, "average": self.average, "loss_scale": self.loss_scale}
        return {"skipped": np.array(self.skipped)} | {
            f"{part}.{name}": array
            for part, owner in parts.items()
            if owner is not None
            for name, array in owner.state().items()
        }

    def load_state(self, state: Mapping[str, Array]) -> None:
        self.skipped = int(state["skipped"])
        self.optimiser.load_state(_below("optimiser", state))
        if self.average is not None:
            self.average.load_state(_below("average", state))
        if self.loss_scale is not None:
            self.loss_scale = self.loss_scale.from_state(_below("loss_scale", state))


def _below(part: str, state: Mapping[str, Array]) -> dict[str, Array]:
    prefix = f"{part}."
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def optimiser(config: Config, layout: Layout, values: Array) -> Optimiser:
    """The one that the configuration names, with those of its options that it has."""
    kind, recipe = OPTIMISERS[config.recipe.optimiser], config.recipe
    weights = None
    if recipe.decays == "weights" or recipe.optimiser in LAYERWISE:
        weights = [slot.span for slot in layout.slots if len(slot.shape) > 1]
    options = {
        "momentum": config.momentum,
        "nesterov": config.nesterov,
        "weight_decay": recipe.weight_decay,
        "weights": weights,
    }
    known = inspect.signature(kind).parameters
    return kind(values, **{name: value for name, value in options.items() if name in known})


def scaled_rate(config: Config, global_batch: int) -> float:
    """The learning rate at its highest, for global batches of so many samples."""
    return SCALINGS[config.recipe.scaling](config.recipe.lr, global_batch, config.recipe.base_batch)
