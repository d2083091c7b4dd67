"""Operations of layers and losses, forward and backward, as cases."""

from collections.abc import Callable

import numpy as np
from case import ALL, HALVES, Array, Case, in_place, like

from mpitrain.array import namespace
from mpitrain.ops import batch_norm
from mpitrain.ops.attention import attention, attention_backward
from mpitrain.ops.bias_activation import activation_backward, bias_activation, keeps_slope
from mpitrain.ops.columns import add_columns, columns
from mpitrain.ops.cross_entropy import cross_entropy
from mpitrain.ops.direct import direct, direct_input_gradient, direct_weight_gradient
from mpitrain.ops.dropout import drop_level, dropout, dropout_backward
from mpitrain.ops.embedding import gather, scatter_add
from mpitrain.ops.matmul import matmul
from mpitrain.ops.max_pool import max_pool, max_pool_gradient
from mpitrain.ops.normalise import normalise, normalise_backward
from mpitrain.ops.rotary import rotate
from mpitrain.ops.row_sum import row_sum
from mpitrain.ops.windows import Window

ROWS, WIDTH = 13, 1003
IMAGES = (3, 11, 9, 8)


def _activation(kind: str) -> Callable[..., tuple[Array, ...]]:
    def call(x: Array, bias: Array, dy: Array) -> tuple[Array, ...]:
        y, slope, dx = like(x), like(x) if keeps_slope(kind) else None, like(x)
        bias_activation(x, bias, kind, y, slope)
        activation_backward(y if slope is None else slope, dy, kind, dx)
        return y, dx

    return call


def _normalise(centred: bool) -> Callable[..., tuple[Array, ...]]:
    def call(x: Array, gain: Array, bias: Array, dy: Array) -> tuple[Array, ...]:
        y, mean, rstd = normalise(x, gain, bias if centred else None, 1e-5, centred)
        slopes = normalise_backward(x, mean, rstd, gain, dy, of_input=True, of_weights=True)
        return (y, rstd, *(slope for slope in slopes if slope is not None))

    return call


def _attention(causal: bool) -> Callable[..., tuple[Array, ...]]:
    """Queries, keys and values are views of one array, as a network has them."""

    def call(qkv: Array, dy: Array) -> tuple[Array, ...]:
        q, k, v = qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2]
        y, logsumexp = attention(q, k, v, 0.25, causal)
        slopes = like(q), like(k), like(v)
        attention_backward(q, k, v, y, logsumexp, dy, slopes, 0.25, causal)
        return (y, logsumexp, *slopes)

    return call


def _cross_entropy(logits: Array, labels: Array) -> tuple[Array, ...]:
    found = cross_entropy(logits, labels, 0.5, smoothing=0.1, ignore=3)
    return found.loss_sum, found.gradient


def _dropout(x: Array, dy: Array) -> tuple[Array, ...]:
    level, y, dx = drop_level(0.3), like(x), like(x)
    kept = dropout(x, level, (1, 2), np.arange(len(x)) + 40, 5, y)
    dropout_backward(kept, dy, level, dx)
    return y, dx


def _columns(x: Array) -> tuple[Array, ...]:
    window, dx, matrices = Window.of(3, stride=2, padding=1), like(x), []
    for part, matrix in columns(x, window):
        matrices.append(matrix.copy())
        add_columns(matrix, dx[part], window)
    return namespace(x).concatenate(matrices), dx


def _direct(x: Array, weight: Array) -> tuple[Array, ...]:
    window, gradient = Window.of(3, padding=1), like(weight)
    y = direct(x, weight, window)
    direct_weight_gradient(x, y, gradient, window, False)
    return y, direct_input_gradient(y, weight, window, x.shape), gradient


def _max_pool(x: Array) -> tuple[Array, ...]:
    window = Window.of(3, stride=2, padding=1)
    y, winner = max_pool(x, window)
    return y, max_pool_gradient(y, winner, window, x.shape)


def _embedding(table: Array, ids: Array) -> tuple[Array, ...]:
    rows, gradient = gather(table, ids), like(table)
    scatter_add(gradient, ids, rows, False)
    return rows, gradient


def _embedding_of_a_column(table: Array, ids: Array, dy: Array) -> tuple[Array, ...]:
    rows, gradient = gather(table, ids[:, 3]), like(table)
    scatter_add(gradient, ids[:, 3], dy[:, 1], False)
    return rows, gradient


def _matmul(a: Array, b: Array) -> Array:
    return matmul(a, b, namespace(a).empty((a.shape[0], b.shape[1]), a.dtype))


def _rotate(x: Array) -> Array:
    rotate(x[:, :, 1], 10_000.0)
    return x


def _batch_norm(x: Array, dy: Array, gain: Array, bias: Array) -> tuple[Array, ...]:
    sums = batch_norm.column_sums(x)
    by = batch_norm.moments(sums, 1e-5, None, 0.1)
    slopes = batch_norm.slope_sums(x, dy, by)
    dx = batch_norm.gradient(x, dy, by, gain, slopes, sums[:1])
    return (batch_norm.normalise(x, by, gain, bias), dx, slopes, *by)


CASES = (
    *(
        Case(f"bias + {kind}", ALL, lambda n: (n(ROWS, WIDTH), n(WIDTH), n(ROWS, WIDTH)), _activation(kind))
        for kind in ("relu", "gelu", "silu", "tanh", "sigmoid")
    ),
    Case("layer norm", ALL, lambda n: (n(ROWS, WIDTH), n(WIDTH), n(WIDTH), n(ROWS, WIDTH)), _normalise(True)),
    Case("RMS norm", ALL, lambda n: (n(ROWS, WIDTH), n(WIDTH), n(WIDTH), n(ROWS, WIDTH)), _normalise(False)),
    Case("cross-entropy", ALL, lambda n: (n(ROWS, WIDTH), n.whole(WIDTH, ROWS)), _cross_entropy),
    *(
        Case(
            f"attention, {name}",
            ("float32", *HALVES),
            lambda n: (n(2, 37, 3, 5, 16), n(2, 37, 5, 16)),
            _attention(causal),
        )
        for name, causal in (("causal", True), ("whole", False))
    ),
    Case("rotary positions", ALL, lambda n: (n(2, 37, 3, 5, 16),), _rotate),
    Case("embedding", ALL, lambda n: (n(50, 33), n.whole(50, 4, 9)), _embedding),
    Case("embedding of a column", ALL, lambda n: (n(50, 33), n.whole(50, 40, 9), n(40, 3, 33)), _embedding_of_a_column),
    Case("dropout", ALL, lambda n: (n(ROWS, WIDTH), n(ROWS, WIDTH)), _dropout),
    Case("im2col, col2im", ALL, lambda n: (n(*IMAGES),), _columns),
    Case("depthwise convolution", ALL, lambda n: (n(*IMAGES), n(3, 3, 1, IMAGES[-1])), _direct),
    Case("max pool", ALL, lambda n: (n(*IMAGES),), _max_pool),
    Case("matrix product", ALL, lambda n: (n(65, 33), n(33, 17)), _matmul),
    Case("convolution by groups of two", ALL, lambda n: (n(*IMAGES), n(3, 3, 2, IMAGES[-1])), _direct),
    Case("batch norm", ALL, lambda n: (n(300, 37), n(300, 37), n(37), n(37)), _batch_norm),
    Case("sum over rows", ALL, lambda n: (n(ROWS, WIDTH), n(WIDTH)), in_place(row_sum)),
)
