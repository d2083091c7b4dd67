"""What must come out alike on the device and in NumPy: every operation that has a kernel, on small and odd sizes.

A case makes arrays and calls an operation on them, which finds out by itself where they live. What it returns is
compared: the largest difference, relative to the largest number, against `tolerance` of the dtype.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.ops.adagrad import adagrad_step
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.attention import attention, attention_backward
from mpitrain.ops.average import average_step
from mpitrain.ops.bias_activation import activation_backward, bias_activation, keeps_slope
from mpitrain.ops.chunks import Layers
from mpitrain.ops.columns import add_columns, columns
from mpitrain.ops.cross_entropy import cross_entropy
from mpitrain.ops.depthwise import depthwise, depthwise_input_gradient, depthwise_weight_gradient
from mpitrain.ops.dropout import drop_level, dropout, dropout_backward
from mpitrain.ops.embedding import gather, scatter_add
from mpitrain.ops.lamb import lamb_step
from mpitrain.ops.lion import lion_step
from mpitrain.ops.matmul import matmul
from mpitrain.ops.max_pool import max_pool, max_pool_gradient
from mpitrain.ops.norm import sum_of_squares
from mpitrain.ops.normalise import normalise, normalise_backward
from mpitrain.ops.rotary import rotate
from mpitrain.ops.sgd import sgd_step
from mpitrain.ops.spans import Spans
from mpitrain.ops.windows import Window

Array = Any
Make = Callable[["Numbers"], tuple[Array, ...]]

FLOATS = ("float32", "float64")
HALVES = ("float16", "bfloat16")
ALL = FLOATS + HALVES
TOLERANCE = {"float32": 2e-5, "float64": 1e-11, "float16": 4e-3, "bfloat16": 3e-2}

COUNT = 10_007  # of a flat vector: odd, a prime, many blocks
ROWS, WIDTH = 13, 1003
IMAGES = (3, 11, 9, 8)
LAYERS = Layers((slice(0, 17), slice(17, 5_000), slice(5_000, COUNT)), COUNT)


class Case(NamedTuple):
    name: str
    dtypes: tuple[str, ...]
    make: Make
    call: Callable[..., Any]


class Numbers:
    """Random arrays of one dtype, alike in every process."""

    def __init__(self, dtype: Any):
        self.dtype, self.generator = dtype, np.random.default_rng(7)

    def __call__(self, *shape: int) -> Array:
        return self.generator.standard_normal(shape).astype(self.dtype)

    def positive(self, *shape: int) -> Array:
        return np.abs(self(*shape))

    def whole(self, below: int, *shape: int) -> Array:
        return self.generator.integers(0, below, shape)

    def vectors(self, count: int) -> tuple[Array, ...]:
        return tuple(self(COUNT) for _ in range(count))


def in_place(step: Callable[..., None], *options: Any, **named: Any) -> Callable[..., tuple[Array, ...]]:
    """An operation that changes the arrays it is given."""

    def call(*arrays: Array) -> tuple[Array, ...]:
        step(*arrays, *options, **named)
        return arrays

    return call


def like(x: Array) -> Array:
    """Room for a result."""
    return namespace(x).zeros_like(x)


def _moments(numbers: Numbers) -> tuple[Array, ...]:
    return (*numbers.vectors(3), numbers.positive(COUNT))


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


def _depthwise(x: Array, weight: Array) -> tuple[Array, ...]:
    window, gradient = Window.of(3, padding=1), like(weight)
    y = depthwise(x, weight, window)
    depthwise_weight_gradient(x, y, gradient, window, False)
    return y, depthwise_input_gradient(y, weight, window, x.shape), gradient


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


DECAYED = Spans((slice(3, 4_000), slice(6_001, 9_999)), COUNT)

CASES = (
    Case("SGD, Nesterov", FLOATS, lambda n: n.vectors(3), in_place(sgd_step, 0.1, 0.9, 0.01, True)),
    Case(
        "SGD, some weights decay", FLOATS, lambda n: n.vectors(3), in_place(sgd_step, 0.1, 0.9, 0.01, decayed=DECAYED)
    ),
    Case("AdamW", FLOATS, _moments, in_place(adamw_step, 3, 1e-2, weight_decay=0.1, decayed=DECAYED, scale=0.5)),
    Case("Lion", FLOATS, lambda n: n.vectors(3), in_place(lion_step, 1e-2, weight_decay=0.1)),
    Case("Adagrad", FLOATS, lambda n: (*n.vectors(2), n.positive(COUNT)), in_place(adagrad_step, 1e-2)),
    Case("LAMB", FLOATS, _moments, in_place(lamb_step, 3, 1e-2, LAYERS, weight_decay=0.1)),
    Case("moving average", FLOATS, lambda n: n.vectors(2), in_place(average_step, 0.99)),
    Case("sum of squares", ALL, lambda n: n.vectors(1), sum_of_squares),
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
    Case("depthwise convolution", ALL, lambda n: (n(*IMAGES), n(3, 3, 1, IMAGES[-1])), _depthwise),
    Case("max pool", ALL, lambda n: (n(*IMAGES),), _max_pool),
    Case("matrix product", ALL, lambda n: (n(65, 33), n(33, 17)), _matmul),
)
