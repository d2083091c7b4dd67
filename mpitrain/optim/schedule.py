"""The learning rate as a pure function of the step, so that a resumed run needs no state to find it again.

All schedules take the peak `rate`, the `step` (from 0) out of `steps`, and `warmup`: the first so many steps climb to
`rate` in equal parts, the first of them rate / warmup (Goyal et al. 2017, section 2.2). What follows starts after them.
"""

import math
from collections.abc import Callable


def scaled(rate: float, batch: int, base: int = 256) -> float:
    """The linear scaling rule: a rate that is right for batches of `base` samples, for global batches of `batch`.

    k times the samples make one step in the place of k, which then has to be k times as long (Goyal et al. 2017,
    section 2.1). It holds as long as the rate stays small enough for training to be stable.
    """
    return rate * batch / base


def scaled_by_root(rate: float, batch: int, base: int = 256) -> float:
    """The square root rule, which keeps the variance of a step: k times the samples have a k-th of it, which sqrt(k)
    times the length brings back (Krizhevsky 2014, section 5). It is the rule for Adam and LAMB (You et al. 2020).
    """
    return rate * math.sqrt(batch / base)


def constant(rate: float, step: int, steps: int, warmup: int = 0) -> float:
    """`rate` to the end."""
    return _climb(rate, step, warmup) if step < warmup else rate


def step_decay(
    rate: float, step: int, steps: int, warmup: int = 0, falls: tuple[float, ...] = (0.5, 0.75), factor: float = 0.1
) -> float:
    """`factor` times smaller at each of `falls`, shares of all steps (He et al. 2016, section 4.2: 1/2 and 3/4)."""
    if step < warmup:
        return _climb(rate, step, warmup)
    return rate * factor ** sum(step >= fall * steps for fall in falls)


def linear_decay(rate: float, step: int, steps: int, warmup: int = 0) -> float:
    """A line from `rate` down to 0, which it would reach at the end."""
    if step < warmup:
        return _climb(rate, step, warmup)
    return rate * (steps - step) / (steps - warmup)


def polynomial_decay(
    rate: float, step: int, steps: int, warmup: int = 0, power: float = 2.0, last: float = 0.0
) -> float:
    """As the `power` of a line's, from `rate` down to `last` * rate, which it would reach at the end."""
    if step < warmup:
        return _climb(rate, step, warmup)
    return rate * (last + (1 - last) * ((steps - step) / (steps - warmup)) ** power)


def cosine_decay(rate: float, step: int, steps: int, warmup: int = 0, last: float = 0.0) -> float:
    """Half a wave from `rate` down to `last` * rate, which it would reach at the end (Loshchilov and Hutter 2017,
    equation 5, without restarts)."""
    if step < warmup:
        return _climb(rate, step, warmup)
    return rate * (last + (1 - last) * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2)


def _climb(rate: float, step: int, warmup: int) -> float:
    return rate * (step + 1) / warmup


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "step": step_decay,
    "linear": linear_decay,
    "polynomial": polynomial_decay,
    "cosine": cosine_decay,
}

SCALINGS: dict[str, Callable[..., float]] = {"linear": scaled, "root": scaled_by_root}
