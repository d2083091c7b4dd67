"""Operations on flat vectors, as cases: optimisers, clipping, what reduces, casts, and what compresses."""

from typing import Any

import numpy as np
from case import ALL, COUNT, FLOATS, HALVES, Array, Case, Numbers, in_place, like

from mpitrain.array import namespace
from mpitrain.ops import reduce
from mpitrain.ops.adagrad import adagrad_step
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.average import average_step
from mpitrain.ops.cast import cast
from mpitrain.ops.chunks import Layers
from mpitrain.ops.lamb import lamb_step
from mpitrain.ops.lars import lars_step
from mpitrain.ops.lion import lion_step
from mpitrain.ops.norm import clip_factor, sum_of_squares
from mpitrain.ops.quantise import dequantise, quantise
from mpitrain.ops.sgd import sgd_step
from mpitrain.ops.sign import pack_signs, unpack_signs
from mpitrain.ops.spans import Spans
from mpitrain.ops.topk import top_k

LAYERS = Layers((slice(0, 17), slice(17, 5_000), slice(5_000, COUNT)), COUNT)
DECAYED = Spans((slice(3, 4_000), slice(6_001, 9_999)), COUNT)


def _moments(numbers: Numbers) -> tuple[Array, ...]:
    return (*numbers.vectors(3), numbers.positive(COUNT))


def _clipped(vector: Array) -> tuple[Any, ...]:
    norm, factor = clip_factor(sum_of_squares(vector), 1.5, 0.5)
    return tuple(namespace(vector).asarray(number).reshape(-1) for number in (norm, factor))


def _casts(vector: Array) -> tuple[Array, ...]:
    xp = namespace(vector)
    return tuple(cast(vector, xp.empty(vector.shape, dtype)) for dtype in (np.float32, np.float64, np.float16))


def _quantised(vector: Array) -> tuple[Array, ...]:
    quantised = quantise(vector, 100, (1, 2), 3)
    return (*quantised, dequantise(quantised, like(vector), 100))


def _signs(vector: Array) -> tuple[Array, ...]:
    signs = pack_signs(vector)
    return (*signs, unpack_signs(signs, like(vector)))


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
    Case("LARS", FLOATS, lambda n: n.vectors(3), in_place(lars_step, 0.1, LAYERS, weight_decay=0.1)),
    Case("clipping", ("float32", *HALVES), lambda n: n.vectors(1), _clipped),
    *(
        Case(f"a {op} b", ALL, lambda n: n.vectors(2), in_place(reduce.combine, op))
        for op in ("sum", "prod", "min", "max")
    ),
    Case("weighted sum", ALL, lambda n: n.vectors(2), in_place(reduce.mix, 0.25)),
    Case("casts", ALL, lambda n: n.vectors(1), _casts),
    Case("top-k", ALL, lambda n: n.vectors(1), lambda vector: top_k(vector, 101)),
    Case("signs", ALL, lambda n: n.vectors(1), _signs),
    Case("quantised", ALL, lambda n: n.vectors(1), _quantised),
)
