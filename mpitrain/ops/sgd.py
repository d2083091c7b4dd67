"""One step of SGD with momentum over flat vectors, in place.

    velocity = momentum * velocity + (gradient + weight_decay * value)
    value   -= lr * velocity                                                         (plain)
    value   -= lr * ((gradient + weight_decay * value) + momentum * velocity)        (Nesterov)

This is PyTorch's definition: `lr` scales the step and is not folded into the velocity, so a changing rate acts at once.
Its dampening is 0, and a velocity of 0 makes the first step the gradient itself.

Each line above is a pass over memory if NumPy is left to itself. Here a tile of all vectors goes through all of them
while it is in the cache. The CUDA twin is kernels/sgd.cu; both round in the same places (on a GPU CuPy also
rounds numbers below 1.2e-38 to zero).
"""

from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty

Array = Any

# Elements. Three vectors and a scratch of float32 are 1 MiB, about a core's second-level cache. Smaller tiles pay more
# for the calls: 16 Ki take 1.4 times as long, while no tiles at all take twice as long on vectors of 64 MiB.
TILE = 1 << 16

THREADS = 256  # of a block
BLOCKS_PER_MULTIPROCESSOR = 8  # fills a multiprocessor's 2,048 threads
DTYPES = ("float32", "float64")


def sgd_step(
    values: Array,
    gradients: Array,
    velocity: Array,
    lr: float,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
) -> None:
    """Move `values` and `velocity` by one step; `gradients` stay as they are.

    The three are vectors of one length, contiguous, float32 or float64, all NumPy's or all CuPy's. Raises ValueError
    if they are not.
    """
    for name, vector in (("values", values), ("gradients", gradients), ("velocity", velocity)):
        if vector.ndim != 1 or not vector.flags.c_contiguous or vector.dtype.name not in DTYPES:
            raise ValueError(
                f"{name} must be a contiguous vector of {' or '.join(DTYPES)}, found shape {vector.shape}, strides "
                f"{vector.strides}, {vector.dtype}"
            )
        if vector.shape != values.shape or vector.dtype != values.dtype:
            raise ValueError(
                f"{name} must be like values, {values.shape} {values.dtype}, found {vector.shape} {vector.dtype}"
            )
    step = _step_on_cpu if namespace(values) is np else _step_on_gpu
    step(values, gradients, velocity, lr, momentum, weight_decay, nesterov)


def _step_on_cpu(
    values: Array, gradients: Array, velocity: Array, lr: float, momentum: float, weight_decay: float, nesterov: bool
) -> None:
    # As arrays of no dimension, the scalars are not converted anew in every call, which costs more than a small tile.
    rate, keep, decay = (np.asarray(scalar, values.dtype) for scalar in (lr, momentum, weight_decay))
    # The plain step has no more use for the decayed gradient once the velocity has taken it in; Nesterov's has.
    scratch = empty((1 + nesterov, min(TILE, len(values))), values.dtype)
    for start in range(0, len(values), TILE):
        tile = slice(start, start + TILE)
        value, slope, speed = values[tile], gradients[tile], velocity[tile]
        decayed, move = scratch[0, : len(value)], scratch[-1, : len(value)]
        if weight_decay:
            np.multiply(value, decay, out=decayed)
            slope = np.add(slope, decayed, out=decayed)
        np.multiply(speed, keep, out=speed)
        np.add(speed, slope, out=speed)
        if nesterov:
            np.multiply(speed, keep, out=move)
            np.add(slope, move, out=move)
            np.multiply(move, rate, out=move)
        else:
            np.multiply(speed, rate, out=move)
        np.subtract(value, move, out=value)


def _step_on_gpu(
    values: Array, gradients: Array, velocity: Array, lr: float, momentum: float, weight_decay: float, nesterov: bool
) -> None:
    if len(values) == 0:
        return  # A grid of no blocks cannot be launched.
    device, scalar = values.device, values.dtype.type
    blocks = -(-len(values) // THREADS)
    most = device.attributes["MultiProcessorCount"] * BLOCKS_PER_MULTIPROCESSOR
    with device:
        _module().get_function(f"sgd_{values.dtype}")(
            (min(blocks, most),),
            (THREADS,),
            (values, gradients, velocity, scalar(lr), scalar(momentum), scalar(weight_decay))
            + (np.int32(nesterov), np.int64(len(values))),
        )


@cache
def _module() -> Any:
    import cupy

    source = resources.files("mpitrain.kernels").joinpath("sgd.cu").read_text(encoding="utf-8")
    return cupy.RawModule(code=source, options=("--std=c++17", "--fmad=false"))
