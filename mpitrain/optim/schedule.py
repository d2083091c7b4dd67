"""The learning rate as a pure function of the step, so that a resumed run needs no state to find it again."""


def scaled(rate: float, batch: int, base: int = 256) -> float:
    """The linear scaling rule: a rate that is right for batches of `base` samples, for global batches of `batch`.

    k times the samples make one step in the place of k, which then has to be k times as long (Goyal et al. 2017,
    section 2.1). It holds as long as the rate stays small enough for training to be stable.
    """
    return rate * batch / base


def linear_decay(rate: float, step: int, steps: int, warmup: int = 0) -> float:
    """The rate of step `step` (from 0) out of `steps`: a line from `rate` down to 0, which it would reach at the end.

    The first `warmup` steps climb to `rate` in equal parts, the first of them rate / warmup (Goyal et al. 2017, section
    2.2). The decay starts after them.
    """
    if step < warmup:
        return rate * (step + 1) / warmup
    return rate * (steps - step) / (steps - warmup)
