"""The arithmetic of schedules on a device against NumPy, bit by bit: what arrives is combined into what is there."""

import numpy as np
import pytest

from kernels import DTYPES, SEEDS, dtype_of, guarded, thread_order
from mpitrain.ops import reduce

COUNTS = (0, 1, 7, 8, 9, 1003)
STARTS = ((0, 0), (1, 0), (0, 1), (1, 1))  # elements behind a 16-byte boundary: chunks start anywhere
UFUNCS = {"sum": np.add, "prod": np.multiply, "min": np.minimum, "max": np.maximum}


def numbers(dtype, count, seed):
    """Fractions of 64, so that sums and products of small ones are not exact in half types."""
    whole = np.random.default_rng([seed, count]).integers(-200, 200, count)
    return (whole if dtype.startswith("int") else whole / 64).astype(dtype_of(dtype))


def rounded_once(function, dtype, *arrays):
    """In float64, where one operation on half types is exact; in their own type for the others."""
    wide = np.float64 if dtype in ("float16", "bfloat16") else dtype_of(dtype)
    return function(*(array.astype(wide) for array in arrays)).astype(dtype_of(dtype))


@pytest.mark.parametrize("dtype", [*DTYPES, "int32", "int64"])
@pytest.mark.parametrize("op", UFUNCS)
def test_combine(dtype, op):
    for count in COUNTS:
        for starts in STARTS:
            own, incoming = (numbers(dtype, count, seed) for seed in (1, 2))
            wanted = rounded_once(UFUNCS[op], dtype, own, incoming)
            for seed in SEEDS:
                there, arrived = guarded(own, starts[0]), guarded(incoming, starts[1])
                with thread_order(seed):
                    reduce.combine(there.array, arrived.array, op)
                np.testing.assert_array_equal(there.numbers(), wanted)
                np.testing.assert_array_equal(arrived.numbers(), incoming)
            reduce.combine(own, incoming, op)  # NumPy's own side
            np.testing.assert_array_equal(own, wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", ["min", "max"])
def test_the_least_and_the_greatest_of_nan_is_nan(dtype, op):
    values = np.array([[np.nan, 1, np.nan, -0.0, np.inf], [1, np.nan, np.nan, 0.5, -np.inf]]).astype(dtype_of(dtype))
    own, incoming = map(guarded, values)
    reduce.combine(own.array, incoming.array, op)
    found = own.numbers().astype(float)
    np.testing.assert_array_equal(np.isnan(found), [True, True, True, False, False])
    np.testing.assert_array_equal(found[3:], {"min": [0.0, -np.inf], "max": [0.5, np.inf]}[op])


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights(dtype):
    """Each rounds once from float32 (float64 from itself), where it is computed."""
    wide = np.float64 if dtype == "float64" else np.float32
    for count in COUNTS:
        for starts in STARTS:
            own, incoming = (numbers(dtype, count, seed) for seed in (3, 4))
            a, b = own.astype(wide), incoming.astype(wide)
            third = wide(1 / 3)
            cases = {
                "scale": (lambda x, y: reduce.scale(y, x, 1 / 3), b * third),
                "mix": (lambda x, y: reduce.mix(x, y, 1 / 3), a * wide(1 - 1 / 3) + b * third),
                "divide": (lambda x, y: reduce.divide(x, 3), a / wide(3)),
            }
            for name, (call, wanted) in cases.items():
                for seed in SEEDS:
                    there, arrived = guarded(own, starts[0]), guarded(incoming, starts[1])
                    with thread_order(seed):
                        call(there.array, arrived.array)
                    np.testing.assert_array_equal(there.numbers(), wanted.astype(dtype_of(dtype)), name)
                    np.testing.assert_array_equal(arrived.numbers(), incoming)
                on_host = own.copy()
                call(on_host, incoming)
                np.testing.assert_array_equal(on_host, wanted.astype(dtype_of(dtype)), name)


def test_types_without_a_kernel():
    kernels = "float64, float32, float16, bfloat16"
    for name, call, array in (
        ("reduce_sum", lambda x: reduce.combine(x, x, "sum"), np.ones(3, np.complex64)),
        ("divide", lambda x: reduce.divide(x, 2), np.ones(3, np.int32)),
    ):
        known = f"{kernels}, int32, int64" if name == "reduce_sum" else kernels
        with pytest.raises(TypeError) as refused:
            call(guarded(array).array)
        assert str(refused.value) == f"{name} on a device: expected one of {known}; found {array.dtype}"
