"""Where parameters start: functions of a numpy Generator and a shape, float64, so that every dtype starts alike.

A weight's last axis counts its outputs; all others together are the inputs each output sums over (the fan-in).
"""

import math
from collections.abc import Callable

import numpy as np


def zeros(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """All zeros: the start of a bias."""
    return np.zeros(shape)


def ones(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """All ones: the start of a gain."""
    return np.ones(shape)


def he_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal with variance 2 / fan-in, which keeps the scale of signals through ReLUs (He et al. 2015, eq. 10)."""
    return generator.standard_normal(shape) * math.sqrt(2 / math.prod(shape[:-1]))


def lecun_normal(generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal with variance 1 / fan-in, for a weight that no ReLU follows (LeCun et al. 1998, section 4.6)."""
    return generator.standard_normal(shape) * math.sqrt(1 / math.prod(shape[:-1]))


def normal(deviation: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """Normal with that standard deviation, whatever the shape."""
    return lambda generator, shape: generator.standard_normal(shape) * deviation


def uniform(bound: float) -> Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]:
    """Uniform between -bound and bound, whatever the shape."""
    return lambda generator, shape: generator.uniform(-bound, bound, shape)
