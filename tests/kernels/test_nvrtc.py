"""Every CUDA source compiles with NVIDIA's own compiler, as CuPy calls it, and no kernel spills registers."""

from pathlib import Path

import mpitrain.kernels
import pytest
from nvrtc import ARCHITECTURES, compile_, installed

from mpitrain.emulated import RawModule
from mpitrain.kernel_source import expand, source
from mpitrain.ops.launch import options

pytestmark = pytest.mark.skipif(not installed(), reason="NVRTC is not installed; make test-cuda")

FOLDER = Path(mpitrain.kernels.__file__).parent
SOURCES = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.cu"))
SHARED = 48 << 10  # bytes


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", SOURCES)
def test_compiles_without_spills(file, architecture):
    kernels = compile_(source(file), options(file), architecture)
    assert kernels, "no kernel in it"
    assert [name for name, memory in kernels.items() if memory.spilled or memory.shared > SHARED] == []


def test_an_error_names_file_and_line():
    with pytest.raises(RuntimeError) as error:
        compile_(
            expand('#include "numbers.cuh"\nextern "C" __global__ void k() {\n  INFINITY;\n}', "k.cu"), (), "sm_80"
        )
    assert 'k.cu(3): error: identifier "INFINITY" is undefined' in str(error.value)


def test_a_spill_is_seen():
    """Two hundred numbers that all live until the end, in no more registers than a block of 1,024 threads leaves."""
    text = """
    extern "C" __global__ void __launch_bounds__(1024) greedy(float *x) {
        float kept[200];
        #pragma unroll
        for (int i = 0; i < 200; ++i) kept[i] = x[i * 1024 + threadIdx.x];
        __syncthreads();
        #pragma unroll
        for (int i = 0; i < 200; ++i) x[i * 1024 + (threadIdx.x + i) % 1024] = kept[199 - i];
    }
    """
    assert compile_(expand(text), (), "sm_80")["greedy"].spilled > 0


def test_the_kernels_are_those_of_the_cpu():
    """By name, in a source that makes them with macros."""
    found, emulated = compile_(source("sgd.cu"), options("sgd.cu"), "sm_90"), RawModule(code=source("sgd.cu"))
    assert len(found) > 1
    assert all(emulated.get_function(name).name == name for name in found)
    assert all(8 < memory.registers < 256 and memory.shared == 0 for memory in found.values())
