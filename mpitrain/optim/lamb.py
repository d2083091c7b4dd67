"""LAMB: AdamW in which each layer has a rate of its own, for very large batches."""

from collections.abc import Sequence

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.chunks import Layers, Reduce
from mpitrain.ops.lamb import lamb_step
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_betas, check_not_negative


class LAMB(Optimiser):
    """See `ops/lamb.py` for the formula. It keeps two vectors, the moments, and the number of steps.

    Each of `weights` is a layer; what lies outside neither decays nor has a rate of its own. Where the values are a
    rank's shard, `weights` are the layers' parts in it, as many on every rank, and `reduce` sums over the ranks.
    """

    def __init__(
        self,
        values: Array,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        weights: Sequence[slice] | None = None,
        reduce: Reduce | None = None,
    ):
        check_betas(betas)
        check_not_negative(eps=eps, weight_decay=weight_decay)
        zeros_like = namespace(values).zeros_like
        self.mean, self.square, self.steps = zeros_like(values), zeros_like(values), np.zeros((), np.int64)
        super().__init__(values, mean=self.mean, square=self.square, steps=self.steps)
        self.betas, self.eps, self.weight_decay, self.reduce = betas, eps, weight_decay, reduce
        self.layers = Layers(weights, len(values))

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        self.steps += 1
        how = (lr, self.layers, self.betas, self.eps, self.weight_decay, scale, copy, self.reduce)
        lamb_step(self.values, gradients, self.mean, self.square, int(self.steps), *how)
