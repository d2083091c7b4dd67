"""The CUDA sources of LARS and LAMB, which want a norm of every layer, against their NumPy twins."""

from functools import partial

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import SEEDS, dtype_of, guarded, thread_order
from mpitrain.ops import chunks
from mpitrain.ops.chunks import Layers
from mpitrain.ops.lamb import lamb_step
from mpitrain.ops.lars import lars_step

# A layer of several chunks, none at all, one number, what is outside of layers between and around them.
SPANS = [slice(3, 500), slice(500, 500), slice(501, 502), slice(502, 900)]
COUNT = 1003
STEPS = {
    "lars": (partial(lars_step, lr=0.1, weight_decay=0.1, trust=0.1), 1),
    "lamb": (partial(lamb_step, lr=0.1, step=3, weight_decay=0.1), 2),
}
TYPES = [  # of values, gradients and the copy
    ("float32", "float32", None),
    ("float64", "float64", None),
    ("float32", "float32", "bfloat16"),
    ("float32", "float16", "float16"),
    ("float32", "bfloat16", "bfloat16"),
]
CLOSE = {"float32": {"rtol": 2e-6, "atol": 1e-7}, "float64": {"rtol": 1e-12}}


def vectors_of(own, types):
    generator = np.random.default_rng(0)
    values, gradients, copy = (None if name is None else dtype_of(name) for name in types)
    vectors = [generator.standard_normal(COUNT).astype(values), generator.standard_normal(COUNT).astype(gradients)]
    vectors += [np.abs(generator.standard_normal(COUNT)).astype(values) for _ in range(own)]
    return [*vectors, None if copy is None else np.zeros(COUNT, copy)]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("types", TYPES, ids=str)
def test_kernel_is_its_numpy_twin(monkeypatch, name, types):
    monkeypatch.setattr(chunks, "DEVICE_CHUNK", 150)
    step, own = STEPS[name]
    for seed in SEEDS:
        *vectors, copy = vectors_of(own, types)
        on_device = [guarded(vector, seed * (number == 1)) for number, vector in enumerate(vectors)]
        rounded = None if copy is None else guarded(copy)
        with thread_order(seed):
            arrays = [vector.array for vector in on_device]
            given = None if rounded is None else rounded.array
            step(*arrays, layers=Layers(SPANS, COUNT), scale=0.5, copy=given)
        step(*vectors, layers=Layers(SPANS, COUNT), scale=0.5, copy=copy)
        for found, expected in zip(on_device, vectors, strict=True):
            np.testing.assert_allclose(found.numbers(), expected, **CLOSE[types[0]])
        if copy is not None:
            np.testing.assert_array_equal(rounded.numbers(), on_device[0].numbers().astype(copy.dtype))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_short_vectors(name, count):
    step, own = STEPS[name]
    vectors = [np.ones(count) for _ in range(own + 2)]
    on_device = [xp.asarray(vector) for vector in vectors]
    step(*vectors, layers=Layers(None, count))
    step(*on_device, layers=Layers(None, count))
    np.testing.assert_allclose(on_device[0].get(), vectors[0], rtol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_a_layer_of_zeros_takes_a_plain_step(name):
    step, own = STEPS[name]
    vectors = [np.zeros(4), np.ones(4), *(np.zeros(4) for _ in range(own))]
    on_device = [xp.asarray(vector) for vector in vectors]
    step(*vectors, layers=Layers(None, 4))
    step(*on_device, layers=Layers(None, 4))
    assert (vectors[0] < 0).all()
    np.testing.assert_allclose(on_device[0].get(), vectors[0], rtol=1e-12)


@pytest.mark.parametrize("name", STEPS)
def test_sums_of_other_ranks_and_a_scale_on_the_device(name):
    """`reduce` gets the sums of squares, on the device, and the step waits for nothing."""
    step, own = STEPS[name]
    *vectors, _ = vectors_of(own, TYPES[0])
    on_device = [xp.asarray(vector) for vector in vectors]
    shapes, waited = [], xp.synchronisations()

    def reduce(sums):
        shapes.append((sums.shape, sums.dtype))
        sums += 100.0
        return sums

    step(*on_device, layers=Layers(SPANS, COUNT), scale=xp.asarray(np.float32([0.25])), reduce=reduce)
    assert xp.synchronisations() == waited
    step(*vectors, layers=Layers(SPANS, COUNT), scale=0.25, reduce=reduce)
    assert shapes == [((2, 4), np.float64)] * 2
    np.testing.assert_allclose(on_device[0].get(), vectors[0], **CLOSE["float32"])
