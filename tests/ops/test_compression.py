"""What compressed gradients are made of: the largest numbers, signs, eight bits."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.ops.quantise import dequantise, quantise
from mpitrain.ops.sign import pack_signs, unpack_signs
from mpitrain.ops.topk import top_k

TYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])


@given(numbers=st.lists(st.integers(-3, 3), max_size=40), data=st.data())
@settings(max_examples=100, deadline=None)
def test_top_k_is_a_stable_sort_by_magnitude(numbers, data):
    """With many ties, of which the first are taken."""
    k = data.draw(st.integers(0, len(numbers)))
    vector = np.array(numbers, np.float32)
    expected = sorted(sorted(range(len(numbers)), key=lambda i: -abs(numbers[i]))[:k])
    indices, values = top_k(vector, k)
    assert indices.dtype == np.int32 and indices.tolist() == expected
    np.testing.assert_array_equal(values, vector[expected])


@TYPES
def test_top_k_of_every_type(dtype):
    vector = np.array([0.5, -8.0, 0.0, 7.0, -0.25, 1e-5]).astype(dtype)
    indices, values = top_k(vector, 3)
    assert indices.tolist() == [0, 1, 3] and values.dtype == dtype
    np.testing.assert_array_equal(values.astype(float), [0.5, -8, 7])


@pytest.mark.parametrize("k", [-1, 4])
def test_no_more_than_there_are(k):
    with pytest.raises(ValueError) as error:
        top_k(np.zeros(3), k)
    assert str(error.value) == f"k must be from 0 to the vector's length 3, found {k}"


@TYPES
@pytest.mark.parametrize("count", [0, 1, 3, 8, 1003])
def test_signs_go_out_and_in(dtype, count):
    vector = np.random.default_rng(count).standard_normal(count).astype(dtype)
    signs = pack_signs(vector)
    assert signs.bits.dtype == np.uint8 and len(signs.bits) == (count + 7) // 8
    out = unpack_signs(signs, np.empty(count, dtype)).astype(np.float64)
    if count:
        mean = np.abs(vector.astype(np.float64)).mean()
        assert signs.scale[0] == pytest.approx(mean, rel=1e-6)
        np.testing.assert_array_equal(out, np.sign(vector.astype(np.float64)) * float(signs.scale.astype(dtype)[0]))


def test_bits_of_signs_by_hand():
    signs = pack_signs(np.array([-1.0, 2.0, 0.0, -0.0, -5.0, 1.0, 1.0, -6.0, -1.0]))
    assert signs.bits.tolist() == [0b10010001, 1]
    assert signs.scale[0] == np.float32(17 / 9)


@TYPES
@pytest.mark.parametrize("count", [0, 1, 3, 1003])
@pytest.mark.parametrize("group", [3, 256])
def test_no_number_moves_by_more_than_half_a_level(dtype, count, group):
    vector = np.random.default_rng(count).standard_normal(count).astype(dtype)
    quantised = quantise(vector, group)
    assert quantised.codes.dtype == np.int8 and quantised.scales.dtype == np.float32
    assert len(quantised.scales) == -(-count // group)
    out = dequantise(quantised, np.empty(count, np.float64), group)
    wide = vector.astype(np.float64)
    for number, scale in enumerate(quantised.scales):
        part = slice(number * group, (number + 1) * group)
        assert scale == pytest.approx(np.abs(wide[part]).max() / 127, rel=1e-6)
        assert np.abs(out[part] - wide[part]).max() <= scale * 0.5001
        assert np.abs(quantised.codes[part]).max() == 127


def test_eight_bits_by_hand():
    """Ties go to even, a group of zeros stays so, and each group has its own scale."""
    quantised = quantise(np.float32([127, -0.5, 1.5, 2.5, 0, 0, 0, 1e-31, -3]), group=4)
    assert quantised.codes.tolist() == [127, 0, 2, 2, 0, 0, 0, 0, -127]
    np.testing.assert_allclose(quantised.scales, [1, 0, 3 / 127], rtol=1e-6)
    out = dequantise(quantised, np.empty(9, np.float32), group=4)
    np.testing.assert_allclose(out, [127, 0, 2, 2, 0, 0, 0, 0, -3], rtol=1e-6)


@pytest.mark.parametrize("group", [3, 256])
def test_rounded_by_chance_the_mean_is_right(group):
    """Over many steps; and no number moves by a whole level."""
    vector = np.random.default_rng(0).standard_normal(1003).astype(np.float32)
    steps, total = 400, np.zeros(1003)
    for step in range(steps):
        quantised = quantise(vector, group, (1, 2), step)
        out = dequantise(quantised, np.empty(1003), group)
        levels = np.repeat(quantised.scales, group)[:1003]
        assert (np.abs(out - vector) <= levels * 1.0001).all()
        total += out
    # The mean of `steps` draws deviates by at most half a level / sqrt(steps), and all of 1003 by less than 5 of these.
    assert (np.abs(total / steps - vector) <= 5 * levels / 2 / steps**0.5).all()


def test_chances_hang_on_place_key_and_step_alone():
    vector = np.full(1003, 0.3, np.float32)
    vector[::100] = 127  # so that all groups have one scale
    codes = quantise(vector, 100, (1, 2), 3).codes
    np.testing.assert_array_equal(quantise(vector, 500, (1, 2), 3).codes, codes)
    for key, step in (((1, 3), 3), ((2, 2), 3), ((1, 2), 4)):
        assert (quantise(vector, 100, key, step).codes != codes).mean() > 0.3
    assert 0.25 < (codes == 1).mean() < 0.35


def test_what_is_no_vector_of_floats_is_refused():
    matrix, signs, quantised = np.zeros((2, 2)), pack_signs(np.zeros(3)), quantise(np.zeros(3))
    for name, call in (
        ("vector", lambda: top_k(matrix, 1)),
        ("vector", lambda: pack_signs(matrix)),
        ("out", lambda: unpack_signs(signs, matrix)),
        ("vector", lambda: quantise(matrix)),
        ("out", lambda: dequantise(quantised, matrix)),
    ):
        with pytest.raises(ValueError) as error:
            call()
        assert str(error.value) == (
            f"{name} must be a contiguous vector of float32, float64, float16 or bfloat16, found shape (2, 2), strides "
            "(16, 8), float64"
        )
    with pytest.raises(ValueError) as error:
        quantise(np.zeros(3), 0)
    assert str(error.value) == "a group must have at least 1 element, found 0"
