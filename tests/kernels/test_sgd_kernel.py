"""The CUDA source of the SGD step, built for the CPU, against its NumPy twin, bit by bit."""

import ctypes
import subprocess
import sys
import types
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from mpitrain.ops import sgd
from mpitrain.ops.sgd import sgd_step

HEADER = Path(__file__).parent / "cuda_on_cpu.h"
COUNTS = (0, 1, 3, 4, 5, 1003)
LAUNCHES = ((1, 1), (1, 32), (3, 7), (40, 64))  # blocks, threads: from one for all to more than elements

# The kernels have C names, but only a C++ compiler knows how to hand them to launch().
LAUNCHER = """
#define LAUNCHER(NAME, T)                                                                                      \\
    extern "C" void launch_##NAME(unsigned blocks, unsigned threads, int reversed, T *values, T *gradients,    \\
                                  T *velocity, T lr, T momentum, T decay, int nesterov, long long count) {     \\
        launch(blocks, threads, reversed, NAME, values, gradients, velocity, lr, momentum, decay, nesterov, count); \\
    }
LAUNCHER(sgd_float32, float)
LAUNCHER(sgd_float64, double)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sgd_kernel")
    source = resources.files("mpitrain.kernels").joinpath("sgd.cu").read_text(encoding="utf-8")
    (folder / "sgd.cpp").write_text(source + LAUNCHER)
    flags = ["-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Werror", "-ffp-contract=off", "-fno-strict-aliasing"]
    command = ["g++", *flags, "-include", str(HEADER), "-o", str(folder / "sgd.so"), str(folder / "sgd.cpp")]
    subprocess.run(command, check=True, timeout=60)
    return ctypes.CDLL(str(folder / "sgd.so"))


def step_by_kernel(library, launch, reversed_, vectors, lr, momentum, weight_decay, nesterov):
    dtype = vectors[0].dtype
    number = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    getattr(library, f"launch_sgd_{dtype}")(
        *map(ctypes.c_uint, launch),
        ctypes.c_int(reversed_),
        *(ctypes.c_void_p(vector.ctypes.data) for vector in vectors),
        *map(number, (lr, momentum, weight_decay)),
        ctypes.c_int(nesterov),
        ctypes.c_longlong(len(vectors[0])),
    )


def aligned(numbers, start):
    """A copy of the vector `start` elements behind a 16-byte boundary, with a guard of NaN on both sides."""
    room = np.full(len(numbers) + 16, np.nan, numbers.dtype)
    start += -(room.ctypes.data // room.itemsize) % (16 // room.itemsize) + 4
    room[start : start + len(numbers)] = numbers
    return room, room[start : start + len(numbers)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("launch", LAUNCHES)
@pytest.mark.parametrize("starts", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
def test_kernel_is_its_numpy_twin(library, dtype, count, launch, starts):
    generator = np.random.default_rng(count)
    for number, (momentum, decay, nesterov) in enumerate([(0.9, 1e-2, False), (0.9, 1e-2, True), (0.0, 0.0, False)]):
        rooms, vectors = zip(
            *(aligned(generator.standard_normal(count).astype(dtype), start) for start in starts), strict=True
        )
        expected = [vector.copy() for vector in vectors]
        sgd_step(*expected, 0.1, momentum, decay, nesterov)
        step_by_kernel(library, launch, number == 1, vectors, 0.1, momentum, decay, nesterov)
        for room, vector, right in zip(rooms, vectors, expected, strict=True):
            np.testing.assert_array_equal(vector, right)
            assert np.isnan(room).sum() == 16, "wrote outside of its vector"


def test_launch_through_cupy(library, monkeypatch):
    """CuPy is played by a stand-in that runs the kernel on the CPU: name, grid and arguments are what it wants."""
    launched = []

    class Device:
        def __init__(self):
            self.attributes = {"MultiProcessorCount": 2}

        def __enter__(self):
            return self

        def __exit__(self, *failure):
            return None

    class DeviceArray(np.ndarray):
        device = Device()

    class RawModule:
        def __init__(self, code, options):
            assert "sgd_float32" in code and "--fmad=false" in options

        def get_function(self, name):
            def call(grid, block, arguments):
                *vectors, lr, momentum, weight_decay, nesterov, count = arguments
                assert name == f"sgd_{vectors[0].dtype}" and count == len(vectors[0])
                assert {type(number) for number in (lr, momentum, weight_decay)} == {vectors[0].dtype.type}
                assert (type(nesterov), type(count)) == (np.int32, np.int64)
                launched.append((*grid, *block))
                step_by_kernel(library, (*grid, *block), False, vectors, lr, momentum, weight_decay, nesterov)

            return call

    cupy = types.ModuleType("cupy")
    cupy.ndarray, cupy.RawModule = DeviceArray, RawModule
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    sgd._module.cache_clear()
    for count in (0, 1, 257, 100_000):
        vectors = np.random.default_rng(0).standard_normal((3, count)).astype(np.float32)
        expected = vectors.copy()
        sgd_step(*vectors.view(DeviceArray), 0.1, 0.9, 1e-2, True)
        sgd_step(*expected, 0.1, 0.9, 1e-2, True)
        np.testing.assert_array_equal(vectors, expected)
    sgd._module.cache_clear()
    assert launched == [(1, 256), (2, 256), (16, 256)]  # nothing for nothing, then up to 8 blocks a multiprocessor
