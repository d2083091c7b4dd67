"""How near the kernels that only move numbers come to the fastest copy: bytes that must be moved / time / copy's rate.

The copy is the device's own, of a vector much larger than its caches, counting what is read and what is written. The
goals are those of the issue: 90 % for the optimisers, 85 % for operations on rows of at least 4,096 numbers.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from parity import dtype_of
from row import FAILED, OK, SKIPPED, Row
from timing import seconds_per_call

from mpitrain.device import Device
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.bias_activation import bias_activation
from mpitrain.ops.cross_entropy import cross_entropy
from mpitrain.ops.norm import sum_of_squares
from mpitrain.ops.normalise import normalise, normalise_backward
from mpitrain.ops.sgd import sgd_step

Array = Any
COUNT = {"cuda": 1 << 27, "emulated": 1 << 10}  # elements of a flat vector: 512 MiB of float32
ROWS = {"cuda": (8192, 16384), "emulated": (3, 96)}
VOCABULARY = {"cuda": (8192, 50304), "emulated": (3, 100)}


class Kernel(NamedTuple):
    """`make(room)` gives the work, which must move `nbytes` an element; `goal` is a share of the copy's rate."""

    name: str
    shape: dict[str, Any]
    dtype: str
    nbytes: int
    goal: float
    make: Callable[..., Callable[[], Any]]


def _adamw(room: Callable[..., Array]) -> Callable[[], Any]:
    values, mean, square = (room(np.float32) for _ in range(3))
    gradients, copy = room("bfloat16"), room("bfloat16")
    return lambda: adamw_step(values, gradients, mean, square, 10, 1e-3, weight_decay=0.1, copy=copy)


def _adamw_float32(room: Callable[..., Array]) -> Callable[[], Any]:
    vectors = [room(np.float32) for _ in range(4)]
    return lambda: adamw_step(*vectors, 10, 1e-3, weight_decay=0.1)


def _sgd(room: Callable[..., Array]) -> Callable[[], Any]:
    vectors = [room(np.float32) for _ in range(3)]
    return lambda: sgd_step(*vectors, 0.1, 0.9, 1e-4)


def _squares(room: Callable[..., Array]) -> Callable[[], Any]:
    vector = room(np.float32)
    return lambda: sum_of_squares(vector)


def _norm(centred: bool) -> Callable[..., Callable[[], Any]]:
    def make(room: Callable[..., Array]) -> Callable[[], Any]:
        x, gain, bias = room("bfloat16"), room("bfloat16", -1), room("bfloat16", -1) if centred else None
        return lambda: normalise(x, gain, bias, 1e-5, centred)

    return make


def _norm_back(room: Callable[..., Array]) -> Callable[[], Any]:
    x, dy, gain, bias = room("bfloat16"), room("bfloat16"), room("bfloat16", -1), room("bfloat16", -1)
    _, mean, rstd = normalise(x, gain, bias, 1e-5, True)
    return lambda: normalise_backward(x, mean, rstd, gain, dy, of_input=True, of_weights=False)


def _cross_entropy(room: Callable[..., Array]) -> Callable[[], Any]:
    logits, labels = room("bfloat16"), room(np.int64, 0)
    return lambda: cross_entropy(logits, labels, 1.0)


def _gelu(room: Callable[..., Array]) -> Callable[[], Any]:
    x, bias, out, slope = room("bfloat16"), room("bfloat16", -1), room("bfloat16"), room("bfloat16")
    return lambda: bias_activation(x, bias, "gelu", out, slope)


KERNELS = (
    Kernel("AdamW, bf16 gradients, fp32 masters", COUNT, "bfloat16", 28, 0.90, _adamw),
    Kernel("AdamW", COUNT, "float32", 28, 0.90, _adamw_float32),
    Kernel("SGD", COUNT, "float32", 20, 0.90, _sgd),
    Kernel("sum of squares", COUNT, "float32", 4, 0.85, _squares),
    Kernel("layer norm forward", ROWS, "bfloat16", 4, 0.85, _norm(True)),
    Kernel("RMS norm forward", ROWS, "bfloat16", 4, 0.85, _norm(False)),
    Kernel("layer norm backward", ROWS, "bfloat16", 6, 0.85, _norm_back),
    Kernel("cross-entropy, both ways", VOCABULARY, "bfloat16", 4, 0.85, _cross_entropy),
    Kernel("bias + GELU with slope", ROWS, "bfloat16", 6, 0.85, _gelu),
)


def rows(device: Device) -> Iterator[Row]:
    """The copy's rate, then each kernel's share of it. On the emulated device they only run."""
    rate = copy_rate(device)
    yield Row("bandwidth", "copy", f"{rate / 1e12:.2f} TB/s" if timed(device) else "runs")
    for kernel in KERNELS:
        shape = kernel.shape[device.name]
        shape = shape if isinstance(shape, tuple) else (shape,)
        if dtype_of(kernel.dtype) is None:
            yield Row("bandwidth", kernel.name, "no ml_dtypes", SKIPPED)
            continue
        try:
            seconds = seconds_per_call(device.xp.cuda, kernel.make(room_for(device, shape)))
        except Exception as error:
            yield Row("bandwidth", kernel.name, f"{type(error).__name__}: {str(error).splitlines()[0][:160]}", FAILED)
            continue
        finally:
            device.xp.get_default_memory_pool().free_all_blocks()
        moved = float(kernel.nbytes * np.prod(shape)) / seconds
        share = moved / rate
        result = f"{moved / 1e12:.2f} TB/s, {share:.0%} of copy, goal {kernel.goal:.0%}" if timed(device) else "runs"
        yield Row("bandwidth", kernel.name, result, OK if share >= kernel.goal or not timed(device) else "below goal")


def timed(device: Device) -> bool:
    """Whether times mean anything."""
    return device.name == "cuda"


def copy_rate(device: Device) -> float:
    """Bytes a second, read and written."""
    xp, count = device.xp, COUNT[device.name] * 2
    source, target = xp.zeros(count, np.float32), xp.empty(count, np.float32)

    def copy() -> None:
        target[...] = source

    seconds = seconds_per_call(xp.cuda, copy)
    xp.get_default_memory_pool().free_all_blocks()
    return 2 * target.nbytes / seconds


def room_for(device: Device, shape: tuple[int, ...]) -> Callable[..., Array]:
    """Makes arrays of that shape, or of one of its axes, full of small numbers; labels are zeros."""

    def room(dtype: Any, axis: int | None = None) -> Array:
        dtype = dtype_of(dtype) if isinstance(dtype, str) else dtype
        wanted = shape if axis is None else (shape[axis],)
        return device.xp.full(wanted, 0.01, np.float32).astype(dtype)

    return room
