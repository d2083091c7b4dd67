"""Stochastic gradient descent with momentum."""

from collections.abc import Sequence

from mpitrain.array import namespace
from mpitrain.errors import UsageError
from mpitrain.ops.sgd import sgd_step
from mpitrain.ops.spans import Spans
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_below_one, check_not_negative


class SGD(Optimiser):
    """See `ops/sgd.py` for the formula. It keeps one vector, the velocity. Weight decay is in the gradient (L2)."""

    def __init__(
        self,
        values: Array,
        momentum: float = 0.9,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        weights: Sequence[slice] | None = None,
    ):
        check_below_one(momentum=momentum)
        check_not_negative(weight_decay=weight_decay)
        if nesterov and momentum == 0:
            raise UsageError(f"nesterov needs a momentum above 0, found {momentum}; set one, or leave nesterov off")
        self.velocity = namespace(values).zeros_like(values)
        super().__init__(values, velocity=self.velocity)
        self.momentum, self.nesterov, self.weight_decay = momentum, nesterov, weight_decay
        self.decayed = Spans(weights, len(values))

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        how = (lr, self.momentum, self.weight_decay, self.nesterov, self.decayed, scale, copy)
        sgd_step(self.values, gradients, self.velocity, *how)
