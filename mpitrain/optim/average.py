"""A moving average of the weights, which often predicts better than the weights themselves (Polyak and Juditsky 1992).

average = decay * average + (1 - decay) * values          after each step
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.average import average_step
from mpitrain.optim.optimiser import load_arrays
from mpitrain.optim.options import check_below_one

Array = Any


class Average:
    """Follows `values`, a flat vector of float32 or float64.

    It starts as the values are. With `warm_up` the decay of update n, from 1, is at most (1 + n) / (10 + n), so that
    the first, bad weights are soon forgotten (TensorFlow's ExponentialMovingAverage). With `corrected` it starts from
    0, and what is read is divided by the sum of all shares given, as in Adam (Kingma and Ba 2015, section 7.2).
    """

    def __init__(self, values: Array, decay: float = 0.999, warm_up: bool = False, corrected: bool = False):
        check_below_one(decay=decay)
        xp = namespace(values)
        self.values, self.decay, self.warm_up, self.corrected = values, decay, warm_up, corrected
        self.average = xp.zeros_like(values) if corrected else values.copy()
        self.updates, self.kept = np.zeros((), np.int64), np.ones(())  # the product of all decays

    def update(self) -> None:
        """Take in the values, after each step."""
        self.updates += 1
        number = int(self.updates)
        decay = min(self.decay, (1 + number) / (10 + number)) if self.warm_up else self.decay
        self.kept *= decay
        average_step(self.average, self.values, decay)

    def read(self, out: Array) -> None:
        """The averaged weights, to evaluate with, into a vector like the values. Before any update they are these."""
        if not self.corrected:
            out[...] = self.average
        elif self.updates == 0:
            out[...] = self.values
        else:
            namespace(out).divide(self.average, out.dtype.type(1 - self.kept), out=out)

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps. These are the average's own arrays, not copies."""
        return {"average": self.average, "updates": self.updates, "kept": self.kept}

    def load_state(self, state: Mapping[str, Array]) -> None:
        """Go on from a `state()` saved earlier. `UsageError`, and no change, if it is not one of this kind."""
        load_arrays(self.state(), state, "average", "Average")
