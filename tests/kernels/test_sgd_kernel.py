"""Grids of the elementwise steps, taking SGD's for all; test_step_kernels.py compares their numbers."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.emulated import module
from mpitrain.ops import launch
from mpitrain.ops.sgd import sgd_step


@pytest.mark.parametrize(("blocks", "threads"), [(1, 1), (1, 32), (3, 7), (40, 64)])
def test_any_grid_will_do(blocks, threads):
    """From one thread for all elements to more threads than elements."""
    vectors = np.random.default_rng(0).standard_normal((3, 1003)).astype(np.float32)
    on_device = [xp.asarray(vector) for vector in vectors]
    numbers = (*np.float32([0.1, 0.9, 1e-2]), np.int32(0), np.float32(1), launch.NULL, np.int64(1003))
    args = (*on_device, launch.NULL, launch.NULL, *numbers)
    launch.launch(xp, "sgd.cu", "sgd_float32_float32", blocks, threads, args)
    sgd_step(*vectors, 0.1, 0.9, 1e-2)
    np.testing.assert_array_equal([vector.get() for vector in on_device], vectors)


def test_grid(monkeypatch):
    """Nothing for nothing, a thread for up to 4 elements, at most 8 blocks a multiprocessor, of which there are 2."""
    launched, call = [], module.Function.__call__

    def record(self, grid, block, arguments, **options):
        launched.append((self.name, *grid, *block, options["shared_mem"]))
        call(self, grid, block, arguments, **options)

    monkeypatch.setattr(module.Function, "__call__", record)
    for count in (0, 1, 1025, 100_000):
        sgd_step(*(xp.zeros(count, np.float32) for _ in range(3)), 0.1, 0.9, 1e-2, True)
    assert launched == [("sgd_float32_float32", blocks, 256, 0) for blocks in (1, 2, 16)]
