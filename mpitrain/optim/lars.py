"""LARS: SGD with momentum in which each layer has a rate of its own, for very large batches."""

from collections.abc import Sequence

from mpitrain.array import namespace
from mpitrain.ops.chunks import Layers, Reduce
from mpitrain.ops.lars import lars_step
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_below_one, check_not_negative


class LARS(Optimiser):
    """See `ops/lars.py` for the formula. It keeps one vector, the velocity, into which the learning rate is folded.

    Each of `weights` is a layer; what lies outside neither decays nor has a rate of its own. Where the values are a
    rank's shard, `weights` are the layers' parts in it, as many on every rank, and `reduce` sums over the ranks.
    """

    def __init__(
        self,
        values: Array,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 0.001,
        weights: Sequence[slice] | None = None,
        reduce: Reduce | None = None,
    ):
        check_below_one(momentum=momentum)
        check_not_negative(weight_decay=weight_decay, trust=trust)
        self.velocity = namespace(values).zeros_like(values)
        super().__init__(values, velocity=self.velocity)
        self.momentum, self.weight_decay, self.trust, self.reduce = momentum, weight_decay, trust, reduce
        self.layers = Layers(weights, len(values))

    def step(self, gradients: Array, lr: float, scale: float | Array = 1.0, copy: Array | None = None) -> None:
        how = (lr, self.layers, self.momentum, self.weight_decay, self.trust, scale, copy, self.reduce)
        lars_step(self.values, gradients, self.velocity, *how)
