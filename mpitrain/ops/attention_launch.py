"""Attention on a device, for heads of up to 128 numbers in float32 and half types: the launches of its kernels.

Half types go through tensor cores (kernels/attention_tensor.cu) where the device has such as take them, from compute
capability 8.0 on; all else is kernels/attention.cu.

Queries, keys and values may be views of one array, as long as each batch's rows are evenly spaced and heads lie one
behind the other.
"""

from types import ModuleType
from typing import Any

import numpy as np

from mpitrain.memory import empty
from mpitrain.ops.launch import NULL, launch

Array = Any

FILE, TENSOR_FILE = "attention.cu", "attention_tensor.cu"
OWN = {32: 8, 64: 8, 128: 4}  # rows that a warp owns, by the width of a head, rounded up
TENSOR_OWN = 16
WARPS, LANES = 4, 32  # of a block; as many rows as lanes stream past it at a time
DTYPES = ("float32", "float16", "bfloat16")


def forward(
    xp: ModuleType, q: Array, k: Array, v: Array, scale: float, causal: bool, mask: Array | None
) -> tuple[Array, Array]:
    """As `attention`."""
    batch, queries, heads, _ = q.shape
    y, logsumexp = empty(q.shape, q.dtype, xp), empty((batch, heads, queries), np.float32, xp)
    args = (q, k, v, y, logsumexp, *map(_stride, (q, k, v)), *_shape(q, k, scale, causal, mask))
    _launch(xp, "forward", q, queries, 2, args)
    return y, logsumexp


def backward(
    xp: ModuleType, q: Array, k: Array, v: Array, y: Array, logsumexp: Array, dy: Array,
    slopes: tuple[Array, Array, Array], scale: float, causal: bool, mask: Array | None,
) -> None:  # fmt: skip
    """As `attention_backward`; y and dy contiguous."""
    (batch, queries, heads, width), keys = q.shape, k.shape[1]
    dq, dk, dv = slopes
    delta, rows = empty(logsumexp.shape, np.float32, xp), batch * queries * heads
    sizes = (np.int64(rows), np.int32(queries), np.int32(heads), np.int32(width))
    name = f"attention_deltas_{q.dtype.name}"
    launch(xp, FILE, name, -(-rows // WARPS), WARPS * LANES, (y, dy, delta, *sizes))
    arrays, strides = (q, k, v, dy, logsumexp, delta), tuple(map(_stride, (q, k, v)))
    shape = _shape(q, k, scale, causal, mask)
    _launch(xp, "keys", q, keys, 4, (*arrays, dk, dv, *strides, _stride(dk), _stride(dv), *shape))
    _launch(xp, "queries", q, queries, 4, (*arrays, dq, *strides, _stride(dq), *shape))


def _launch(xp: ModuleType, name: str, q: Array, rows: int, tiles: int, args: tuple[Any, ...]) -> None:
    """Blocks that own `rows` rows of each head; `tiles` of owned and streamed rows together in shared memory."""
    batch, _, heads, width = q.shape
    if q.dtype.name not in DTYPES or width > max(OWN):
        raise ValueError(
            f"attention on a device takes heads of up to {max(OWN)} numbers in {', '.join(DTYPES)}, found {width} in "
            f"{q.dtype}"
        )
    wide = next(wide for wide in OWN if width <= wide)
    tensor = q.dtype.itemsize == 2 and int(q.device.compute_capability) >= 80
    owned = WARPS * (TENSOR_OWN if tensor else OWN[wide])
    # Rows of tiles are padded. The forward owns one tile and streams two, the backward has two of each.
    row = 2 * (wide + 8) if tensor else 4 * (wide + 4)
    shared = row * (tiles // 2 * owned + 2 * LANES) + (0 if tensor else 4 * owned * LANES)
    file, kind = (TENSOR_FILE, "attention_tensor") if tensor else (FILE, "attention")
    grid = (-(-rows // owned), heads, batch)
    launch(xp, file, f"{kind}_{name}_{wide}_{q.dtype.name}", grid, WARPS * LANES, args, shared)


def _shape(q: Array, k: Array, scale: float, causal: bool, mask: Array | None) -> tuple[Any, ...]:
    _, queries, heads, width = q.shape
    sizes = (np.int32(queries), np.int32(k.shape[1]), np.int32(heads), np.int32(width))
    return (*sizes, np.int32(causal), np.float32(scale), NULL if mask is None else mask)


def _stride(x: Array) -> Any:
    """Elements from one position to the next. Raises ValueError unless heads lie one behind the other."""
    _, length, _, width = x.shape
    row = x.strides[1] // x.itemsize if length > 1 else x.strides[0] // x.itemsize
    expected = tuple(x.itemsize * step for step in (length * row, row, width, 1))
    # Where there is one thing there is no step to the next.
    if any(size > 1 and step != right for size, step, right in zip(x.shape, x.strides, expected, strict=True)):
        raise ValueError(f"expected evenly spaced rows of heads side by side, found strides {x.strides} of {x.shape}")
    return np.int64(row)
