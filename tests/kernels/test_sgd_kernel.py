"""The CUDA source of the SGD step against its NumPy twin, bit by bit."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import SEEDS, guarded, mutated, thread_order
from mpitrain.emulated import module
from mpitrain.ops import launch
from mpitrain.ops.sgd import sgd_step

COUNTS = (0, 1, 3, 4, 5, 1003)
STARTS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)]  # elements behind a 16-byte boundary
STEPS = [(0.9, 1e-2, False), (0.9, 1e-2, True), (0.0, 0.0, False)]  # momentum, weight decay, Nesterov


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("starts", STARTS)
def test_kernel_is_its_numpy_twin(dtype, count, starts):
    generator = np.random.default_rng(count)
    for seed, step in zip(SEEDS, STEPS, strict=True):
        vectors = [generator.standard_normal(count).astype(dtype) for _ in starts]
        on_device = [guarded(vector, start) for vector, start in zip(vectors, starts, strict=True)]
        with thread_order(seed):
            sgd_step(*(vector.array for vector in on_device), 0.1, *step)
        sgd_step(*vectors, 0.1, *step)
        for found, expected in zip(on_device, vectors, strict=True):
            np.testing.assert_array_equal(found.numbers(), expected)


@pytest.mark.parametrize(("blocks", "threads"), [(1, 1), (1, 32), (3, 7), (40, 64)])
def test_any_grid_will_do(blocks, threads):
    """From one thread for all elements to more threads than elements."""
    vectors = np.random.default_rng(0).standard_normal((3, 1003)).astype(np.float32)
    on_device = [xp.asarray(vector) for vector in vectors]
    numbers = (*np.float32([0.1, 0.9, 1e-2]), np.int32(0), np.int64(1003))
    launch.launch(xp, "sgd.cu", "sgd_float32", blocks, threads, (*on_device, *numbers))
    sgd_step(*vectors, 0.1, 0.9, 1e-2)
    np.testing.assert_array_equal([vector.get() for vector in on_device], vectors)


def test_grid(monkeypatch):
    """Nothing for nothing, a block for up to 256 elements, at most 8 blocks a multiprocessor, of which there are 2."""
    launched, call = [], module.Function.__call__

    def record(self, grid, block, arguments, **options):
        launched.append((self.name, *grid, *block, options["shared_mem"]))
        call(self, grid, block, arguments, **options)

    monkeypatch.setattr(module.Function, "__call__", record)
    for count in (0, 1, 257, 100_000):
        sgd_step(*(xp.zeros(count, np.float32) for _ in range(3)), 0.1, 0.9, 1e-2, True)
    assert launched == [("sgd_float32", blocks, 256, 0) for blocks in (1, 2, 16)]


def test_a_wrong_kernel_is_seen():
    def change(text):
        return text.replace("momentum * velocity + slope", "momentum * velocity - slope")

    with mutated("sgd.cu", change), pytest.raises(AssertionError):
        test_kernel_is_its_numpy_twin(np.float32, 5, (0, 0, 0))
    test_kernel_is_its_numpy_twin(np.float32, 5, (0, 0, 0))


def test_writing_beside_an_array_is_seen():
    with (
        mutated("sgd.cu", lambda text: text.replace("i < count;", "i <= count;")),
        pytest.raises(AssertionError) as error,
    ):
        test_kernel_is_its_numpy_twin(np.float32, 5, (0, 0, 0))
    assert "wrote beside its array" in str(error.value)
