"""The CUDA sources of gather, scatter-add and rotary positions against their NumPy twins."""

import numpy as np
import pytest

from kernels import DTYPES, SEEDS, dtype_of, guarded, thread_order
from mpitrain.ops.embedding import PLACES, gather, scatter_add
from mpitrain.ops.rotary import rotate

EPSILON = {"float32": 1e-6, "float64": 1e-14, "float16": 1e-3, "bfloat16": 1e-2}
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


@every_dtype
@pytest.mark.parametrize("width", [1, 7, 16, 40])
@pytest.mark.parametrize("start", [0, 1])
def test_gather(dtype, width, start):
    table = np.random.default_rng(0).standard_normal((5, width)).astype(dtype_of(dtype))
    ids = np.array([[4, 0, 4], [1, 4, 3]])
    for seed in SEEDS:
        on_device = guarded(table, start)
        with thread_order(seed):
            rows = gather(on_device.array, guarded(ids).array)
        np.testing.assert_array_equal(rows.get(), table[ids])
        np.testing.assert_array_equal(on_device.numbers(), table)


@every_dtype
def test_what_is_not_in_the_table_is_nan(dtype):
    table = guarded(np.ones((5, 8), dtype_of(dtype))).array
    rows = gather(table, guarded(np.array([4, 5, -1, 0], np.int32)).array).get()
    np.testing.assert_array_equal(np.isnan(rows), [[False] * 8, [True] * 8, [True] * 8, [False] * 8])


PLACES_OF = {
    "one": [2],
    "each once": list(range(70)),
    "one alone": [3] * (3 * PLACES + 1),
    "over two edges": [0] * 5 + [1] * (2 * PLACES) + [2, 2],
    "ends at an edge": [0] * PLACES + [1] * PLACES + [4],
    "begins at an edge": [0] * PLACES + [1] * (PLACES + 1),
    "many": np.random.default_rng(0).integers(0, 9, 500).tolist(),
    "not in the table": [0, 70, 70, -1, 1] * 20,
}


@every_dtype
@pytest.mark.parametrize("which", PLACES_OF)
def test_scatter_add(dtype, which):
    kind, generator = dtype_of(dtype), np.random.default_rng(1)
    ids = generator.permutation(PLACES_OF[which]).reshape(1, -1)
    rows = generator.standard_normal((*ids.shape, 33)).astype(kind)
    before = generator.standard_normal((70, 33)).astype(kind)
    inside = (ids[0] >= 0) & (ids[0] < 70)
    for seed, accumulate in zip(SEEDS, (False, True, False), strict=True):
        gradient, expected = guarded(before), before.copy()
        with thread_order(seed):
            scatter_add(gradient.array, guarded(ids).array, guarded(rows, 1).array, accumulate)
        scatter_add(expected, ids[:, inside], rows[:, inside], accumulate)
        wide = expected.astype(float)
        np.testing.assert_allclose(
            gradient.numbers().astype(float), wide, rtol=EPSILON[dtype], atol=EPSILON[dtype] * np.abs(wide).max()
        )


@every_dtype
@pytest.mark.parametrize("back", [False, True])
def test_rotary(dtype, back):
    room = np.random.default_rng(0).standard_normal((2, 5, 3, 6)).astype(dtype_of(dtype))
    expected = room.copy()
    rotate(expected[:, :, :2], 100.0, back)
    for seed in SEEDS:
        on_device = guarded(room, 1)
        with thread_order(seed):
            rotate(on_device.array[:, :, :2], 100.0, back)
        np.testing.assert_allclose(on_device.numbers().astype(float), expected.astype(float), atol=4 * EPSILON[dtype])


def test_rotary_keeps_its_angles_far_out():
    x = np.ones((1, 100_000, 1, 2), np.float32)
    on_device = guarded(x)
    rotate(on_device.array, 10_000.0)
    rotate(x, 10_000.0)
    np.testing.assert_allclose(on_device.numbers()[0, -100:], x[0, -100:], atol=1e-6)
