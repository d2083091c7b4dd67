"""im2col and col2im on the emulated device against their NumPy twins."""

import numpy as np
import pytest
from results import guarded_results

from kernels import DTYPES, SEEDS, dtype_of, guarded, mutated, thread_order, unwritten
from mpitrain.ops import columns
from mpitrain.ops.windows import Window

# Window, height and width, channels, groups
CASES = {
    "plain": (Window.of(3), (4, 5), 5, 1),
    "padded": (Window.of(3, padding=1), (3, 5), 8, 1),
    "strides": (Window.of((3, 2), (2, 3), (1, 0)), (5, 7), 3, 1),
    "dilated groups": (Window.of(2, 1, 1, (2, 1)), (4, 3), 32, 2),
    "one row": (Window.of((1, 3), (1, 2), (0, 1)), (1, 9), 4, 4),
}
each_case = pytest.mark.parametrize("case", CASES)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def drawn(shape, dtype):
    """Small whole numbers, whose sums are exact in every type."""
    return np.random.default_rng(sum(shape)).integers(-8, 9, shape).astype(dtype_of(dtype))


@each_case
@each_dtype
@pytest.mark.parametrize("start", [0, 1])
def test_columns_are_numpys(case, dtype, start):
    window, sides, channels, groups = CASES[case]
    x = drawn((3, *sides, channels), dtype)
    [(_, expected)] = columns.columns(x, window, groups)
    for seed in SEEDS:
        given = guarded(x, start)
        with thread_order(seed), guarded_results(columns, start):
            [(images, matrix)] = columns.columns(given.array, window, groups)
            found = matrix.get()
        assert images == slice(0, 3)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(given.numbers(), x)


@each_case
@each_dtype
@pytest.mark.parametrize("starts", [(0, 0), (1, 0), (0, 1)])
def test_sums_of_columns_are_numpys(case, dtype, starts):
    window, sides, channels, groups = CASES[case]
    shape = (2, *sides, channels)
    windows = 2 * np.prod(window.sides(sides))
    matrix = drawn((groups, windows, window.places * channels // groups), dtype)
    expected = np.empty(shape, dtype_of(dtype))
    columns.add_columns(matrix, expected, window)
    for seed in SEEDS:
        given, dx = guarded(matrix, starts[0]), unwritten(shape, dtype_of(dtype), starts[1])
        with thread_order(seed):
            columns.add_columns(given.array, dx.array, window)
        np.testing.assert_array_equal(dx.numbers(), expected)
        np.testing.assert_array_equal(given.numbers(), matrix)


def test_parts_of_a_batch(monkeypatch):
    """As many images at a time as the scratch holds."""
    window = Window.of(3, padding=1)
    x = drawn((5, 4, 4, 3), "float32")
    [(_, expected)] = columns.columns(x, window)
    monkeypatch.setattr(columns, "DEVICE_SCRATCH", 2 * 16 * 27)
    parts = [(images, matrix.get()) for images, matrix in columns.columns(guarded(x).array, window)]
    assert [images for images, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    np.testing.assert_array_equal(np.concatenate([matrix for _, matrix in parts], axis=1), expected)


def test_no_images():
    [(images, matrix)] = columns.columns(guarded(np.zeros((0, 4, 4, 3), np.float32)).array, Window.of(3))
    assert (images, matrix.shape) == (slice(0, 0), (1, 0, 27))


WRONG = [
    ("i >= 0 && i < window.height", "i >= 0 && i <= window.height", test_columns_are_numpys, "padded"),
    ("start % stride ||", "", test_sums_of_columns_are_numpys, "strides"),
]


@pytest.mark.parametrize(("right", "wrong", "test", "case"), WRONG)
def test_a_wrong_kernel_is_seen(right, wrong, test, case):
    start = 1 if test is test_columns_are_numpys else (0, 1)
    with mutated("columns.cu", lambda text: text.replace(right, wrong)), pytest.raises(AssertionError):
        test(case, "float32", start)
