"""Which types are half types, and what they are computed in."""

import ml_dtypes
import numpy as np
import pytest

from mpitrain.ops.half import wide_type, widened


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (np.float16, np.float32),
        (ml_dtypes.bfloat16, np.float32),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int16, np.int16),
        (np.uint16, np.uint16),
        (np.int64, np.int64),
    ],
)
def test_half_types_are_computed_in_float32(dtype, wide):
    array = np.array([1, 3], dtype)
    assert wide_type(array.dtype) == widened(array).dtype == wide
    np.testing.assert_array_equal(widened(array), np.array([1, 3], wide))
    assert (widened(array) is array) == (dtype == wide)
