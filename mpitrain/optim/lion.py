"""Lion: steps of one length, in the direction that an average's sign gives."""

from collections.abc import Sequence

from mpitrain.array import namespace
from mpitrain.ops.lion import lion_step
from mpitrain.ops.spans import Spans
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_betas, check_not_negative


class Lion(Optimiser):
    """See `ops/lion.py` for the formula. It keeps one vector, the mean. Weight decay is a step of its own."""

    def __init__(
        self,
        values: Array,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        weights: Sequence[slice] | None = None,
    ):
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        self.mean = namespace(values).zeros_like(values)
        super().__init__(values, mean=self.mean)
        self.betas, self.weight_decay = betas, weight_decay
        self.decayed = Spans(weights, len(values))

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        how = (lr, self.betas, self.weight_decay, self.decayed, scale, copy)
        lion_step(self.values, gradients, self.mean, *how)
