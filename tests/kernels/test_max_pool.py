"""Max pooling on the emulated device against its NumPy twin, bit by bit."""

import ml_dtypes
import numpy as np
import pytest
from results import guarded_results

from kernels import DTYPES, SEEDS, dtype_of, guarded, mutated, thread_order
from mpitrain.ops import max_pool
from mpitrain.ops.windows import Window

# Window, height and width, channels
CASES = {
    "side by side": (Window.of(2, 2), (4, 6), 5),
    "overlap": (Window.of((3, 2), (2, 1), (1, 1)), (5, 4), 33),
    "gaps": (Window.of(1, 2), (5, 4), 3),
    "edges left over": (Window.of(2, 2), (5, 3), 70),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("start", [0, 1])
def test_kernels_are_their_numpy_twins(case, dtype, start):
    window, sides, channels = CASES[case]
    generator = np.random.default_rng(channels)
    x = generator.integers(-3, 4, (3, *sides, channels)).astype(dtype_of(dtype))  # with many ties
    y, winner = max_pool.max_pool(x, window)
    dy = generator.integers(-8, 9, y.shape).astype(x.dtype)
    dx = max_pool.max_pool_gradient(dy, winner, window, x.shape)
    for seed in SEEDS:
        given, slopes = guarded(x, start), guarded(dy, start)
        with thread_order(seed), guarded_results(max_pool, start):
            found, places = max_pool.max_pool(given.array, window)
            back = max_pool.max_pool_gradient(slopes.array, places, window, x.shape)
            for one, other in ((found, y), (places, winner), (back, dx)):
                np.testing.assert_array_equal(one.get(), other)
        np.testing.assert_array_equal(given.numbers(), x)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_what_is_no_number_stays(dtype):
    """In every place of a window, and least of all numbers counts minus infinity."""
    x = np.array([[np.nan, 1, -np.inf, -np.inf], [1, 2, -np.inf, -np.inf], [5, 4, 3, np.nan]], dtype)
    images, window = x.reshape(3, 1, 4, 1), Window.of((1, 4))
    y, winner = max_pool.max_pool(images, window)
    found, places = max_pool.max_pool(guarded(images).array, window)
    np.testing.assert_array_equal(found.get().astype(float), y.astype(float))
    np.testing.assert_array_equal(places.get(), winner)
    assert np.isnan(y.astype(float)).reshape(-1).tolist() == [True, False, True]


def test_no_images():
    y, winner = max_pool.max_pool(guarded(np.zeros((0, 4, 4, 3), np.float32)).array, Window.of(2, 2))
    assert y.shape == winner.shape == (0, 2, 2, 3)
    assert max_pool.max_pool_gradient(y, winner, Window.of(2, 2), (0, 4, 4, 3)).shape == (0, 4, 4, 3)


@pytest.mark.parametrize(
    ("right", "wrong", "case"),
    [
        ("found > largest", "found >= largest", "side by side"),
        ("== place)", "== place + 1)", "gaps"),
    ],
)
def test_a_wrong_kernel_is_seen(right, wrong, case):
    with mutated("max_pool.cu", lambda text: text.replace(right, wrong)), pytest.raises(AssertionError):
        test_kernels_are_their_numpy_twins(case, "float32", 0)
