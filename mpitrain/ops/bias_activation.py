"""An activation of x + bias, and the gradient through it: one pass over the numbers each, in tiles that stay in cache.

    identity   z
    relu       max(z, 0), with slope 0 at 0
    tanh       tanh(z)
    sigmoid    1 / (1 + exp(-z))
    silu       z sigmoid(z)                                                (Elfwing et al. 2017; swish)
    gelu       z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2           (Hendrycks & Gimpel 2016, the form of GPT-2)

What the backward needs is one array of the size of z, or none that is not there anyway. The slopes of relu, tanh and
sigmoid follow from y, which the next layer keeps. Those of silu and gelu do not, and cost a tanh that the forward has
just computed: so a training forward writes the slope in place of z, and the backward is a single multiplication.

Every sigmoid here is a tanh in disguise, (1 + tanh(z / 2)) / 2, which overflows nowhere; NumPy's tanh is twice as fast
as its exp. The CUDA twin is kernels/bias_activation.cu.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops.grid import in_packs, over_rows, units_of
from mpitrain.ops.half import is_half, widened
from mpitrain.ops.launch import NULL, THREADS, launch

Array = Any

# Elements. A tile of x, y, slope and scratch in float32 is 512 KiB, half of a core's second-level cache.
TILE = 1 << 15

STEEPNESS = math.sqrt(2 / math.pi)
CUBIC = 0.044715


def bias_activation(x: Array, bias: Array | None, activation: str, out: Array, slope: Array | None = None) -> None:
    """out = f(x + bias), and slope = f'(x + bias) if `slope` is given, which silu and gelu alone can write.

    Arrays of one shape (..., width), contiguous, and `bias` (width,); `out` may be `x`. Half types are computed in
    float32 and rounded once. Raises ValueError for an activation that there is not.
    """
    check_activation(activation)
    if namespace(x) is not np:
        _forward_on_gpu(x, bias, activation, out, slope)
        return
    form = _FORMS[activation]
    for x_tile, y_tile, slope_tile in _tiles(bias, x, out, slope):
        wide, y, steep = widened(x_tile), _room(y_tile), None if slope_tile is None else _room(slope_tile)
        z = wide if bias is None else np.add(wide, bias, out=y)
        form(z, y, steep)
        _round(y, y_tile)
        _round(steep, slope_tile)


def activation_backward(kept: Array, dy: Array, activation: str, out: Array) -> None:
    """out = dy f'(z), where `kept` is the slope for silu and gelu, and y for the others. `out` may be `dy`."""
    if namespace(dy) is not np:
        _backward_on_gpu(kept, dy, activation, out)
        return
    backward = np.multiply if keeps_slope(activation) else _BACKWARDS[activation]
    for kept_tile, dy_tile, out_tile in _tiles(None, kept, dy, out):
        dx = _room(out_tile)
        backward(widened(kept_tile), widened(dy_tile), out=dx)
        _round(dx, out_tile)


def _forward_on_gpu(x: Array, bias: Array | None, activation: str, out: Array, slope: Array | None) -> None:
    width = x.size if bias is None else len(bias)
    rows = x.size // width if width else 0
    xp = namespace(x)
    arrays = (xp.ascontiguousarray(x), bias, out, slope)
    packed, grid, block = _grid(rows, width, arrays)
    numbers = (np.int32(list(_FORMS).index(activation)), np.int32(packed), np.int64(rows), np.int64(width))
    pointers = tuple(NULL if array is None else array for array in arrays)
    launch(xp, "bias_activation.cu", f"bias_activation_{x.dtype.name}", grid, block, (*pointers, *numbers))


def _backward_on_gpu(kept: Array, dy: Array, activation: str, out: Array) -> None:
    xp = namespace(dy)
    arrays = (xp.ascontiguousarray(kept), xp.ascontiguousarray(dy), out)
    packed, grid, block = _grid(1, dy.size, arrays)
    numbers = (np.int32(list(_FORMS).index(activation)), np.int32(packed), np.int64(dy.size))
    launch(xp, "bias_activation.cu", f"activation_backward_{dy.dtype.name}", grid, block, (*arrays, *numbers))


def _grid(rows: int, width: int, arrays: tuple[Array | None, ...]) -> tuple[bool, tuple[int, int], tuple[int, int]]:
    """Whether 16 bytes may be taken at a time, blocks and threads: along a row, and over rows."""
    given = [array for array in arrays if array is not None]
    packed = in_packs(width, *given)
    return packed, *over_rows(given[0], units_of(width, given[0], packed), rows, THREADS)


def keeps_slope(activation: str) -> bool:
    """Whether the backward wants the slope, rather than the result."""
    return activation in ("silu", "gelu")


def check_activation(activation: str) -> None:
    """Raises ValueError if there is no such activation."""
    if activation not in _FORMS:
        raise ValueError(f"activation {activation!r}: expected one of {', '.join(_FORMS)}")


def _identity(z: Array, y: Array, slope: Array | None) -> None:
    if z is not y:
        y[...] = z


def _relu(z: Array, y: Array, slope: Array | None) -> None:
    zeros = empty(z.shape, z.dtype)
    zeros[...] = 0  # NumPy's maximum of two arrays is four times as fast as that of an array and a number.
    np.maximum(z, zeros, out=y)


def _tanh(z: Array, y: Array, slope: Array | None) -> None:
    np.tanh(z, out=y)


def _sigmoid(z: Array, y: Array, slope: Array | None) -> None:
    half = _scalar(0.5, y)
    np.multiply(z, half, out=y)
    np.tanh(y, out=y)
    np.multiply(y, half, out=y)
    np.add(y, half, out=y)


def _silu(z: Array, y: Array, slope: Array | None) -> None:
    gate = empty(z.shape, z.dtype)
    _sigmoid(z, gate, None)
    np.multiply(z, gate, out=y)
    if slope is not None:  # gate + y (1 - gate)
        np.multiply(y, gate, out=slope)
        np.subtract(y, slope, out=slope)
        np.add(slope, gate, out=slope)


def _gelu(z: Array, y: Array, slope: Array | None) -> None:
    """With u = STEEPNESS (z + CUBIC z^3) it is z gate, gate = sigmoid(2 u)."""
    gate, square = empty((2, *z.shape), z.dtype)
    half = _scalar(0.5, z)
    np.multiply(z, z, out=square)
    np.multiply(square, _scalar(STEEPNESS * CUBIC, z), out=gate)
    np.add(gate, _scalar(STEEPNESS, z), out=gate)
    np.multiply(gate, z, out=gate)
    np.tanh(gate, out=gate)
    np.multiply(gate, half, out=gate)
    np.add(gate, half, out=gate)
    np.multiply(z, gate, out=y)
    if slope is not None:  # gate + y (1 - gate) 2 u', and 2 u' = 2 STEEPNESS (1 + 3 CUBIC z^2)
        np.multiply(square, _scalar(6 * STEEPNESS * CUBIC, z), out=square)
        np.add(square, _scalar(2 * STEEPNESS, z), out=square)
        np.multiply(square, y, out=square)
        np.multiply(square, gate, out=slope)
        np.subtract(square, slope, out=slope)
        np.add(slope, gate, out=slope)


def _identity_backward(y: Array, dy: Array, out: Array) -> None:
    if dy is not out:
        out[...] = dy


def _relu_backward(y: Array, dy: Array, out: Array) -> None:
    np.multiply(dy, np.greater(y, 0), out=out)


def _tanh_backward(y: Array, dy: Array, out: Array) -> None:
    slope = np.multiply(y, y, out=empty(y.shape, y.dtype))
    np.subtract(_scalar(1, y), slope, out=slope)
    np.multiply(dy, slope, out=out)


def _sigmoid_backward(y: Array, dy: Array, out: Array) -> None:
    slope = np.multiply(y, y, out=empty(y.shape, y.dtype))
    np.subtract(y, slope, out=slope)
    np.multiply(dy, slope, out=out)


_FORMS: dict[str, Callable[[Array, Array, Array | None], None]] = {
    "identity": _identity,
    "relu": _relu,
    "gelu": _gelu,
    "silu": _silu,
    "tanh": _tanh,
    "sigmoid": _sigmoid,
}
_BACKWARDS: dict[str, Callable[..., Any]] = {
    "identity": _identity_backward,
    "relu": _relu_backward,
    "tanh": _tanh_backward,
    "sigmoid": _sigmoid_backward,
}


def _tiles(bias: Array | None, *arrays: Array | None) -> Iterator[tuple[Array, ...]]:
    """The same piece of each array, piece after piece: whole rows if a bias is to be added to them."""
    size = arrays[0].size if arrays[0] is not None else 0
    width = 1 if bias is None else len(bias)
    flat = [
        None if array is None else array.reshape(-1, width) if bias is not None else array.ravel() for array in arrays
    ]
    rows = max(1, TILE // width)
    for start in range(0, size // width if width else 0, rows):
        yield tuple(None if array is None else array[start : start + rows] for array in flat)


def _room(tile: Array) -> Array:
    """Where the result in full precision goes: the tile itself, unless it is of a half type."""
    return empty(tile.shape, np.float32) if is_half(tile.dtype) else tile


def _round(result: Array | None, tile: Array | None) -> None:
    if result is not tile:
        tile[...] = result  # type: ignore[index]


def _scalar(number: float, like: Array) -> Array:
    """As an array of no dimension: a Python number would be converted anew in each call."""
    return np.asarray(number, like.dtype)
