"""Casts on the device and on the host: the same bits, and those that IEEE 754 wants."""

import numpy as np
import pytest

from kernels import DTYPES, SEEDS, dtype_of, guarded, thread_order, unwritten
from mpitrain.ops.cast import cast

PAIRS = [(source, target) for source in DTYPES for target in DTYPES]
# Ties to even, the ends of float16, its subnormals, what has no place in it.
EDGES = [
    0.0,
    -0.0,
    1 + 2.0**-11,
    1 + 3 * 2.0**-11,
    1 + 2.0**-8,
    1 + 3 * 2.0**-8,
    65504.0,
    65519.0,
    65520.0,
    -1e30,
    2.0**-24,
]
EDGES += [2.0**-25, 3 * 2.0**-25, 1e-7, -1e-40, np.inf, -np.inf, np.nan]


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_device_and_host_give_the_same_bits(source, target):
    for count in (0, 1, 3, 1003):
        numbers = np.random.default_rng(count).standard_normal(count)
        numbers[: len(EDGES)] = EDGES[: len(numbers)]
        given = numbers.astype(dtype_of(source))
        expected = np.empty(count, dtype_of(target))
        assert cast(given, expected) is expected
        for seed in SEEDS:
            on_device, found = guarded(given, seed), unwritten((count,), dtype_of(target), seed // 2)
            with thread_order(seed):
                cast(on_device.array, found.array)
            np.testing.assert_array_equal(found.numbers().astype(np.float64), expected.astype(np.float64))


def test_half_types_round_to_nearest_even():
    numbers = np.float32([1 + 2.0**-11, 1 + 3 * 2.0**-11, 65519.0, 65520.0])
    np.testing.assert_array_equal(cast(numbers, np.empty(4, np.float16)), [1, 1 + 2.0**-9, 65504, np.inf])
    numbers = np.float32([1 + 2.0**-8, 1 + 3 * 2.0**-8])
    found = cast(numbers, np.empty(2, dtype_of("bfloat16")))
    np.testing.assert_array_equal(found.astype(np.float32), [1, 1 + 2.0**-6])


def test_any_shape_but_one():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(cast(x, np.empty((2, 3), np.float32)), x)
    with pytest.raises(ValueError) as error:
        cast(x, np.empty(6, np.float32))
    assert str(error.value) == "a cast needs two arrays of one shape, found (2, 3) and (6,)"
    with pytest.raises(ValueError) as error:
        cast(x.T, np.empty((3, 2), np.float32))
    assert str(error.value) == "a cast needs contiguous arrays, found strides (8, 24) and (8, 4)"
