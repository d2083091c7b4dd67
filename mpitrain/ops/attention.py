"""Scaled dot-product attention whose memory grows with the sequence, not with its square (Dao et al. 2022).

    y_i = sum over j of p_ij v_j,   p_ij = exp(scale q_i k_j - logsumexp_i)

The square of probabilities is made for a few queries at a time, in a scratch that fits the cache, and forgotten. The
backward makes it again, from the logsumexp of each query, which is all that the forward keeps besides y:

    ds_ij = p_ij (dy_i v_j - dy_i y_i),   dq = scale ds k,   dk = scale ds^T q,   dv = p^T dy

The scratch is (keys, heads, queries), not (heads, queries, keys): the maximum and the sum over keys then run along
rows as long as all heads' queries, three times as fast as NumPy's maximum of each short row.

Causal: query i sees the keys up to i + keys - queries, so that the last query sees all; a block of queries leaves out
the keys that none of it sees. A mask (batch, keys) says which keys are real. A query that sees none gets 0. The CUDA
twin is kernels/attention.cu; attention_launch.py launches it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.ops import attention_launch
from mpitrain.ops.half import wide_type

Array = Any

ROOM = 1 << 18  # elements of the scratch: a second-level cache in float32; the backward has two
QUERIES = 64  # of a block at most; fewer leave out more of a causal square, but make for small products
FEWEST = 16  # of a block, however long the sequence; then the scratch grows with it


class Block(NamedTuple):
    """Some samples, some heads and some queries, and how many of the first keys those queries see."""

    samples: slice
    heads: slice
    queries: slice
    keys: int


def attention(
    q: Array, k: Array, v: Array, scale: float, causal: bool = False, mask: Array | None = None
) -> tuple[Array, Array]:
    """(y, logsumexp) of q (batch, queries, heads, width), k and v (batch, keys, heads, width).

    They may be views, as long as the last axis is contiguous. y is like q, contiguous; logsumexp (batch, heads,
    queries) in float32, or float64 if q is. `mask` (batch, keys) is true for keys that may be seen.
    """
    _check(q, k, v, causal, mask)
    if (xp := namespace(q)) is not np:
        return attention_launch.forward(xp, q, k, v, scale, causal, mask)
    batch, queries, heads, _ = q.shape
    wide = wide_type(q.dtype)
    if wide != q.dtype:
        q_wide, k_wide, v_wide = (x.astype(wide) for x in (q, k, v))
        y, logsumexp = attention(q_wide, k_wide, v_wide, scale, causal, mask)
        return y.astype(q.dtype), logsumexp
    y, logsumexp = empty(q.shape, q.dtype), empty((batch, heads, queries), q.dtype)
    q_heads, k_heads, v_heads, y_heads = (x.swapaxes(1, 2) for x in (q, k, v, y))
    hidden, ones = _hidden(mask, wide), np.ones(k.shape[1], wide)
    scratch = empty((_room(q, k),), wide)
    for block in _blocks(q, k, causal):
        here, keys = (block.samples, block.heads), slice(block.keys)
        queried = _scaled(q_heads[*here, block.queries], scale)
        scores, square = _square(scratch, block.keys, queried)
        np.matmul(k_heads[*here, keys], queried.swapaxes(-1, -2), out=square)
        _hide(square, block, causal, k.shape[1] - queries, hidden)
        largest = scores.max(axis=0)
        if hidden is not None:
            np.maximum(largest, np.finfo(wide).min, out=largest)  # -inf less itself would be NaN
        scores -= largest
        np.exp(scores, out=scores)
        total = np.matmul(ones[keys], scores)
        if hidden is not None:
            np.copyto(total, np.inf, where=total == 0)
        result = y_heads[*here, block.queries]
        np.matmul(square.swapaxes(-1, -2), v_heads[*here, keys], out=result)
        result /= total.reshape(*queried.shape[:-1], 1)
        largest += np.log(total, out=total)
        logsumexp[*here, block.queries] = largest.reshape(queried.shape[:-1])
    return y, logsumexp


def attention_backward(
    q: Array, k: Array, v: Array, y: Array, logsumexp: Array, dy: Array, slopes: tuple[Array, Array, Array],
    scale: float, causal: bool = False, mask: Array | None = None,
) -> None:  # fmt: skip
    """Write the gradients of q, k and v into `slopes`, given what the forward took and gave and dy, that of y."""
    if (xp := namespace(q)) is not np:
        attention_launch.backward(xp, q, k, v, y, logsumexp, dy, slopes, scale, causal, mask)
        return
    wide = wide_type(q.dtype)
    if wide != q.dtype:
        dq, dk, dv = (empty(x.shape, wide) for x in slopes)
        q, k, v, y, dy = (x.astype(wide) for x in (q, k, v, y, dy))
        attention_backward(q, k, v, y, logsumexp, dy, (dq, dk, dv), scale, causal, mask)
        for slope, whole in zip(slopes, (dq, dk, dv), strict=True):
            slope[...] = whole
        return
    queries, length = q.shape[1], k.shape[1]
    q, k, v, y, dy, dq, dk, dv = (x.swapaxes(1, 2) for x in (q, k, v, y, dy, *slopes))
    hidden = _hidden(mask, wide)
    scratches = empty((2, _room(q.swapaxes(1, 2), k.swapaxes(1, 2))), wide)
    for block in _blocks(q.swapaxes(1, 2), k.swapaxes(1, 2), causal):
        here, keys = (block.samples, block.heads), slice(block.keys)
        rows = (*here, block.queries)
        queried, slope = _scaled(q[rows], scale), dy[rows]
        chances, square = _square(scratches[0], block.keys, queried)
        np.matmul(k[*here, keys], queried.swapaxes(-1, -2), out=square)
        _hide(square, block, causal, length - queries, hidden)
        chances -= logsumexp[rows].reshape(-1)
        np.exp(chances, out=chances)

        moves, moved = _square(scratches[1], block.keys, queried)
        np.matmul(v[*here, keys], slope.swapaxes(-1, -2), out=moved)
        moves -= np.vecdot(slope, y[rows]).reshape(-1)
        moves *= chances

        # The last block of queries comes first and sees all keys: it overwrites, the others add.
        add = block.queries.stop < queries
        _take(dv[*here, keys], square, slope, add)
        _take(dk[*here, keys], moved, queried, add)
        result = dq[rows]
        np.matmul(moved.swapaxes(-1, -2), k[*here, keys], out=result)
        result *= wide.type(scale)


def _check(q: Array, k: Array, v: Array, causal: bool, mask: Array | None) -> None:
    queries, keys = q.shape[1], k.shape[1]
    if k.shape != v.shape or k.shape != (len(q), keys, *q.shape[2:]):
        raise ValueError(f"keys and values must be {(len(q), keys, *q.shape[2:])}, found {k.shape} and {v.shape}")
    if causal and keys < queries:
        raise ValueError(f"causal attention of {queries} queries to {keys} keys: expected as many keys or more")
    if mask is not None and (mask.shape != k.shape[:2] or mask.dtype != bool):
        raise ValueError(f"the mask must be {k.shape[:2]} bool, found {mask.shape} {mask.dtype}")


def _room(q: Array, k: Array) -> int:
    """Elements of a scratch for the largest block."""
    samples, heads, queries = _steps(q, k)
    return samples * heads * queries * k.shape[1]


def _steps(q: Array, k: Array) -> tuple[int, int, int]:
    """Samples, heads and queries of a block: as many as fit the room."""
    batch, length, heads, _ = q.shape
    keys = max(1, k.shape[1])
    queries = max(1, min(length, QUERIES, max(FEWEST, ROOM // keys)))
    side_by_side = max(1, ROOM // (keys * queries))
    return max(1, min(batch, side_by_side // heads)), min(heads, side_by_side), queries


def _blocks(q: Array, k: Array, causal: bool) -> Iterator[Block]:
    """All blocks; of the same samples and heads those of the last queries first."""
    batch, length, heads, _ = q.shape
    sample_step, head_step, query_step = _steps(q, k)
    keys = k.shape[1]
    for sample in range(0, batch, sample_step):
        for head in range(0, heads, head_step):
            for query in reversed(range(0, length, query_step)):
                end = min(query + query_step, length)
                seen = end + keys - length if causal else keys
                yield Block(
                    slice(sample, min(sample + sample_step, batch)), slice(head, min(head + head_step, heads)),
                    slice(query, end), seen,
                )  # fmt: skip


def _scaled(q: Array, scale: float) -> Array:
    return np.multiply(q, q.dtype.type(scale), out=empty(q.shape, q.dtype))


def _square(scratch: Array, keys: int, queried: Array) -> tuple[Array, Array]:
    """The scratch as a matrix with a row for each key, and the same as (samples, heads, keys, queries)."""
    samples, heads, queries, _ = queried.shape
    columns = samples * heads * queries
    matrix = scratch[: keys * columns].reshape(keys, columns)
    return matrix, matrix.reshape(keys, samples, heads, queries).transpose(1, 2, 0, 3)


def _hidden(mask: Array | None, dtype: Any) -> Array | None:
    """What is to be added to the scores of each key: 0, or -inf."""
    return None if mask is None else np.where(mask, dtype.type(0), dtype.type(-np.inf))


def _hide(square: Array, block: Block, causal: bool, ahead: int, hidden: Array | None) -> None:
    """Put -inf where a query does not see a key."""
    if hidden is not None:
        square += hidden[block.samples, None, : block.keys, None]
    if causal:
        first = block.queries.start + ahead  # the one key that the first query of the block sees last
        count = block.queries.stop - block.queries.start
        # In the square of the block's own keys, key j is hidden from the queries before it.
        square[:, :, first:] += np.tril(np.full((count, count), -np.inf, square.dtype), -1)


def _take(gradient: Array, a: Array, b: Array, add: bool) -> None:
    """gradient = a @ b, or += with `add`."""
    if add:
        gradient += np.matmul(a, b, out=empty(gradient.shape, gradient.dtype))
    else:
        np.matmul(a, b, out=gradient)
