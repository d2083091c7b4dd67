"""Adam and AdamW, which differ in what weight decay is."""

from collections.abc import Sequence

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.spans import Spans
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_betas, check_not_negative


class Adam(Optimiser):
    """See `ops/adamw.py` for the formula. It keeps two vectors, the moments, and the number of steps.

    Weight decay is part of the gradient (L2), which the second moment then divides.
    """

    decoupled = False

    def __init__(
        self,
        values: Array,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        weights: Sequence[slice] | None = None,
    ):
        check_betas(betas)
        check_not_negative(eps=eps, weight_decay=weight_decay)
        zeros_like = namespace(values).zeros_like
        self.mean, self.square, self.steps = zeros_like(values), zeros_like(values), np.zeros((), np.int64)
        super().__init__(values, mean=self.mean, square=self.square, steps=self.steps)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay
        self.decayed = Spans(weights, len(values))

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        self.steps += 1
        how = (lr, self.betas, self.eps, self.weight_decay, self.decoupled, self.decayed, scale, copy)
        adamw_step(self.values, gradients, self.mean, self.square, int(self.steps), *how)


class AdamW(Adam):
    """Adam whose weight decay is a step of its own, lr * weight_decay of each weight."""

    decoupled = True

    def __init__(
        self,
        values: Array,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        weights: Sequence[slice] | None = None,
    ):
        super().__init__(values, betas, eps, weight_decay, weights)
