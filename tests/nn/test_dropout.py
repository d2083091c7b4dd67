"""Dropout: who is dropped depends on seed, step, sample and path, and on nothing else."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Call, Dropout
from mpitrain.ops import dropout
from mpitrain.ops.philox import philox, philox_key

SAMPLES = np.array([7, 0, 3, 1 << 40, 12], np.int64)


def mask(p=0.5, shape=(4, 9), seed=0, step=0, samples=SAMPLES, path="a"):
    layer = Dropout(p)
    layer.place(path)
    x = np.ones((len(samples), *shape), np.float32)
    return layer.forward(x, Call(True, seed, step, samples))[0] != 0


@given(shape=st.lists(st.integers(1, 12), min_size=0, max_size=3), cut=st.integers(0, 5), tile=st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_any_cut_and_order_of_samples_gives_the_same_mask(shape, cut, tile):
    with pytest.MonkeyPatch.context() as patch:
        whole = mask(shape=shape)
        patch.setattr(dropout, "TILE", tile)
        parts = np.concatenate([mask(shape=shape, samples=part) for part in (SAMPLES[:cut], SAMPLES[cut:])])
        np.testing.assert_array_equal(parts, whole)
        np.testing.assert_array_equal(mask(shape=shape, samples=SAMPLES[::-1]), whole[::-1])


def test_numbers_are_philox_by_16_bits():
    """The definition, one block at a time."""
    found = mask(p=0.3, shape=(19,), seed=5, step=11, path="blocks.0")
    for sample, row in zip(SAMPLES.tolist(), found, strict=True):
        for block in range(3):
            counter = np.array([block, sample % 2**32, sample >> 32, 11], np.uint64)[:, np.newaxis]
            words = philox(counter, philox_key(5, "blocks.0"))[:, 0].tolist()
            pieces = [half for word in words for half in (word % 2**16, word >> 16)]
            kept = [piece >= round(0.3 * 2**16) for piece in pieces]
            assert row[8 * block : 8 * block + 8].tolist() == kept[: 19 - 8 * block]


def test_what_is_at_the_level_is_kept():
    """p is the largest probability with which the first number stays, and no more."""
    words = philox(np.array([[0], [SAMPLES[0]], [0], [0]], np.uint64), philox_key(0, "a"))
    piece = int(words[0, 0]) % 2**16
    assert mask(p=piece / 2**16)[0, 0, 0] and not mask(p=(piece + 1) / 2**16)[0, 0, 0]


@pytest.mark.parametrize(
    "changed", [{"seed": 1}, {"step": 1}, {"samples": SAMPLES + 1}, {"samples": SAMPLES + (1 << 32)}, {"path": "b"}]
)
def test_another_call_is_another_mask(changed):
    """Two fair masks of 900 numbers agree in half of them, give or take 15."""
    assert abs((mask(shape=(180,)) == mask(shape=(180,), **changed)).sum() - 450) < 75


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_share_and_mean(p):
    layer = Dropout(p)
    y, _ = layer.forward(np.ones((100, 1000)), Call(True))
    deviation = np.sqrt(p * (1 - p) / y.size)
    assert abs((y == 0).mean() - p) < 5 * deviation
    assert abs(y.mean() - 1) < 5 * deviation / (1 - p)
    assert set(np.unique(y)) == {0, 2**16 / (2**16 - round(p * 2**16))}


def test_gradients(bench):
    layer = bench(Dropout(0.4))
    for shape in ((5,), (3, 4), (2, 3, 5)):
        layer.check(layer.draw(*shape))
    layer.check_empty(3)


def test_without_samples_they_are_counted():
    counted, _ = Dropout(0.5).forward(np.ones((4, 30)), Call(True))
    named, _ = Dropout(0.5).forward(np.ones((4, 30)), Call(True, samples=np.arange(4)))
    np.testing.assert_array_equal(counted, named)


def test_outside_training_and_for_p_of_0_it_is_the_identity():
    x = np.ones((2, 3))
    for layer, call in ((Dropout(0.5), Call(False)), (Dropout(0.0), Call(True))):
        y, context = layer.forward(x, call)
        assert y is x and layer.backward(context, x) is x


def test_the_context_is_a_bit_a_number():
    _, context = Dropout(0.5).forward(np.ones((4, 128), np.float32), Call(True))
    assert context.nbytes == 4 * 128 / 8


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_dtype_is_kept(dtype):
    x = np.linspace(1, 2, 64).reshape(4, 16).astype(dtype)
    y, context = Dropout(0.5).forward(x, Call(True))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, np.where(y == 0, 0, 2 * x.astype(np.float32)).astype(dtype))
    np.testing.assert_array_equal(Dropout(0.5).backward(context, x), y)


@pytest.mark.parametrize("p", [-0.1, 1.0, 0.999999])
def test_what_is_no_probability(p):
    with pytest.raises(ValueError) as error:
        Dropout(p)
    assert str(error.value) == f"p = {p}: expected a probability of at least 0 and below 1"
