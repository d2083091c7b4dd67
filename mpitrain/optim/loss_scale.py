"""A scale for the loss, so that small gradients do not vanish in float16, which ends at 6e-8; it finds itself.

    gradients not finite in a step -> the step is skipped, the scale falls by `backoff`
    `interval` good steps in a row -> the scale grows by `growth`

Micikevicius et al. 2018, Mixed precision training, section 3.2; PyTorch's GradScaler does the same.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

Array = Any


class LossScale(NamedTuple):
    """The loss is multiplied by `scale`, and gradients, as they are read, by its inverse."""

    scale: float = 2.0**16
    good: int = 0  # steps in a row
    growth: float = 2.0
    backoff: float = 0.5
    interval: int = 2000

    def after(self, finite: bool) -> "LossScale":
        """What holds after a step; `finite` has to be what all ranks agree on, or they no longer have one scale."""
        if not finite:
            return self._replace(scale=self.scale * self.backoff, good=0)
        if self.good + 1 == self.interval:
            return self._replace(scale=self.scale * self.growth, good=0)
        return self._replace(good=self.good + 1)

    def state(self) -> dict[str, Array]:
        """What a checkpoint keeps."""
        return {"scale": np.array(self.scale), "good": np.array(self.good)}

    def from_state(self, state: Mapping[str, Array]) -> "LossScale":
        """As these options, and where a saved state left off."""
        return self._replace(scale=float(state["scale"]), good=int(state["good"]))
