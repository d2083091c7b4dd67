"""NVIDIA's run-time compiler without a GPU or a driver: what CuPy asks of it, asked by ctypes.

Both wheels are found by their names; pip install 'mpitrain[test-cuda]'.
"""

import ctypes
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import NamedTuple

ARCHITECTURES = ("sm_75", "sm_80", "sm_90")
# What CuPy 14 adds to the options of a RawModule, but for the folders of its own headers, which we do not include.
CUPYS = ("-ftz=true", "--device-as-default-execution-space")


class Memory(NamedTuple):
    """What a kernel uses: registers a thread, bytes of static shared memory a block, bytes spilled a thread."""

    registers: int
    shared: int
    spilled: int


def installed() -> bool:
    """Whether both wheels are there."""
    return _file("nvidia-cuda-nvrtc", "libnvrtc.so.*") is not None and _headers() is not None


def compile_(code: str, options: tuple[str, ...], architecture: str) -> dict[str, Memory]:
    """What each kernel of the source uses. RuntimeError with the compiler's words if it does not compile."""
    nvrtc, program = _library(), ctypes.c_void_p()
    flags = (*options, f"-I{_headers()}", *CUPYS, f"-arch={architecture}", "--ptxas-options=-v")
    array = (ctypes.c_char_p * len(flags))(*map(str.encode, flags))
    nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernel.cu", 0, None, None)
    try:
        status = nvrtc.nvrtcCompileProgram(program, len(flags), array)
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, text)
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    log = text.value.decode()
    if status:
        raise RuntimeError(f"NVRTC refuses the kernel for {architecture}:\n{log}")
    return _read(log)


KERNEL = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?"
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)


def _read(log: str) -> dict[str, Memory]:
    """The report of the assembler, ptxas."""
    kernels = {}
    for found in KERNEL.finditer(log):
        shared = re.search(r"(\d+) bytes smem", found["rest"])
        spilled = int(found["stores"]) + int(found["loads"])
        kernels[found["name"]] = Memory(int(found["registers"]), int(shared[1]) if shared else 0, spilled)
    return kernels


@cache
def _library() -> ctypes.CDLL:
    # It asks for its other half by name alone, which only what is loaded already answers to.
    ctypes.CDLL(str(_file("nvidia-cuda-nvrtc", "libnvrtc-builtins.so.*")))
    return ctypes.CDLL(str(_file("nvidia-cuda-nvrtc", "libnvrtc.so.*")))


@cache
def _headers() -> Path | None:
    header = _file("nvidia-cuda-runtime", "cuda_fp16.h")
    return header.parent if header else None


def _file(distribution: str, pattern: str) -> Path | None:
    try:
        found = [file for file in files(distribution) or () if file.match(pattern)]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())) if found else None
