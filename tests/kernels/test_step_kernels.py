"""The CUDA sources of the optimisers' elementwise steps against their NumPy twins, bit by bit."""

from functools import partial

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import SEEDS, dtype_of, guarded, thread_order
from mpitrain.ops.adagrad import adagrad_rows, adagrad_step
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.average import average_step
from mpitrain.ops.lion import lion_step
from mpitrain.ops.sgd import sgd_step
from mpitrain.ops.spans import Spans

COUNTS = (0, 1, 3, 4, 1003)
TYPES = [  # of values, gradients and the copy
    ("float32", "float32", None),
    ("float64", "float64", None),
    ("float32", "float32", "bfloat16"),
    ("float32", "float32", "float16"),
    ("float32", "float16", None),
    ("float32", "float16", "float16"),
    ("float32", "bfloat16", "bfloat16"),
]
STEPS = {  # and how many vectors of its own each keeps
    "sgd": (partial(sgd_step, lr=0.1), 1),
    "sgd that decays": (partial(sgd_step, lr=0.1, momentum=0.9, weight_decay=0.01), 1),
    "sgd of nesterov": (partial(sgd_step, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True), 1),
    "adam": (partial(adamw_step, step=3, lr=0.1, weight_decay=0.1, decoupled=False), 2),
    "adamw": (partial(adamw_step, step=3, lr=0.1, weight_decay=0.1), 2),
    "lion": (partial(lion_step, lr=0.1, weight_decay=0.1), 1),
    "adagrad": (partial(adagrad_step, lr=0.1, weight_decay=0.1), 1),
}


def vectors_of(count, own, types):
    """Values, gradients, own vectors (no number below 0, for the roots), and a copy or None; some have never moved."""
    generator = np.random.default_rng(count)
    values, gradients, copy = (None if name is None else dtype_of(name) for name in types)
    vectors = [generator.standard_normal(count).astype(values), generator.standard_normal(count).astype(gradients)]
    vectors += [np.abs(generator.standard_normal(count)).astype(values) for _ in range(own)]
    for vector in vectors[1:]:
        vector[::5] = 0
    return [*vectors, None if copy is None else np.zeros(count, copy)]


def compare(step, vectors, starts, seed, **options):
    """One step on the host, and the same on the device from these elements behind a 16-byte boundary."""
    on_device = [
        None if vector is None else guarded(vector, start) for vector, start in zip(vectors, starts, strict=True)
    ]
    *arrays, copy = (None if vector is None else vector.array for vector in on_device)
    with thread_order(seed):
        step(*arrays, copy=copy, **options)
    *arrays, copy = vectors
    step(*arrays, copy=copy, **options)
    for found, expected in zip(on_device, vectors, strict=True):
        if found is not None:
            np.testing.assert_array_equal(found.numbers(), expected)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("types", TYPES, ids=str)
def test_kernel_is_its_numpy_twin(name, types):
    step, own = STEPS[name]
    for count in COUNTS:
        for seed in SEEDS:
            compare(step, vectors_of(count, own, types), [0] * (own + 3), seed, scale=0.5)
    for off in range(own + 3):  # one vector is not on a boundary
        starts = [int(number == off) for number in range(own + 3)]
        compare(step, vectors_of(1003, own, types), starts, off % 3, scale=0.5)


@pytest.mark.parametrize("name", STEPS)
def test_only_what_is_named_decays(name):
    step, own = STEPS[name]
    spans = Spans([slice(0, 1), slice(7, 30), slice(33, 1000)], 1003)
    compare(step, vectors_of(1003, own, TYPES[0]), [0] * (own + 3), 0, decayed=spans)


@pytest.mark.parametrize("name", STEPS)
def test_a_scale_may_wait_on_the_device(name):
    step, own = STEPS[name]
    *vectors, _ = vectors_of(1003, own, TYPES[0])
    on_device = [xp.asarray(vector) for vector in vectors]
    waited = xp.synchronisations()
    step(*on_device, scale=xp.asarray(np.float32([0.25])))
    assert xp.synchronisations() == waited
    step(*vectors, scale=0.25)
    np.testing.assert_array_equal(on_device[0].get(), vectors[0])


@pytest.mark.parametrize("types", [TYPES[0], TYPES[1], TYPES[5]], ids=str)
@pytest.mark.parametrize("width", [1, 3, 4, 70])
def test_rows_of_a_table(types, width):
    """Some come twice. Gradients of the others are not read."""
    rows = np.array([[3, 0], [3, 6], [0, 3]])
    for seed in SEEDS:
        shaped = [None if vector is None else vector.reshape(7, width) for vector in vectors_of(7 * width, 1, types)]
        shaped[1][[1, 2, 4, 5]] = np.nan

        def step(*vectors, copy):
            ids = rows if isinstance(vectors[0], np.ndarray) else xp.asarray(rows)
            adagrad_rows(*vectors, ids, lr=0.1, scale=0.5, copy=copy)

        compare(step, shaped, [seed, 0, 0, 0], seed)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_average(dtype):
    for count in COUNTS:
        for seed in SEEDS:
            average, values = np.random.default_rng(count).standard_normal((2, count)).astype(dtype)
            on_device = guarded(average, seed), guarded(values, seed // 2)
            with thread_order(seed):
                average_step(on_device[0].array, on_device[1].array, 0.9)
            average_step(average, values, 0.9)
            np.testing.assert_array_equal(on_device[0].numbers(), average)
            np.testing.assert_array_equal(on_device[1].numbers(), values)
