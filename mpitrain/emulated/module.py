"""RawModule: kernels of a CUDA source, launched on emulated arrays. Stricter than a GPU about what it is handed.

A GPU takes any bytes for an argument and computes nonsense. Here an array must hold the numbers that the kernel's
pointer points to, and a scalar must be a NumPy scalar of exactly the parameter's type.
"""

import contextlib
import ctypes
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from mpitrain.emulated import capture
from mpitrain.emulated.compile import library
from mpitrain.emulated.ndarray import ndarray

THREADS = 1024  # in a block
GRID = (2**31 - 1, 65535, 65535)  # blocks
BLOCK = (1024, 1024, 64)
SHARED = 48 << 10  # bytes a block has unless a kernel asks for more
MOST_SHARED = 227 << 10  # bytes; of an H100, the most that any GPU so far gives

_order = threading.local()


class LaunchError(RuntimeError):
    """A launch that a GPU would refuse, or a kernel that went wrong."""


@contextlib.contextmanager
def thread_order(seed: int) -> Iterator[None]:
    """Kernels that this thread launches within run in this order: 0 natural, 1 reversed, else shuffled."""
    before = getattr(_order, "seed", 0)
    _order.seed = seed
    try:
        yield
    finally:
        _order.seed = before


class RawModule:
    """As CuPy's, with `code` and `options` only, which are NVRTC's: g++ needs none. It compiles at first use."""

    def __init__(self, *, code: str, options: Sequence[str] = ()):
        self.code, self.options = code, tuple(options)
        self._lock = threading.Lock()  # the block that runs keeps its state in the library

    @cached_property
    def _library(self) -> ctypes.CDLL:
        return library(self.code)

    def compile(self) -> None:
        """Builds it now. RuntimeError with the compiler's words."""
        assert self._library

    def get_function(self, name: str) -> "Function":
        """The kernel of this name. LaunchError if there is none."""
        try:
            launcher, signature = (getattr(self._library, f"{name}_{kind}") for kind in ("on_cpu", "signature"))
        except AttributeError:
            raise LaunchError(f"CUDA_ERROR_NOT_FOUND: named symbol not found: {name}") from None
        launcher.restype = signature.restype = ctypes.c_char_p
        return Function(name, launcher, signature().decode().split(), self._lock)


class Function:
    """One kernel. Called as CuPy's: `function(grid, block, args, shared_mem=bytes)`."""

    def __init__(self, name: str, launcher: Any, signature: list[str], lock: threading.Lock):
        self.name, self.max_dynamic_shared_size_bytes = name, SHARED
        self._launcher, self._signature, self._lock = launcher, signature, lock

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0) -> None:
        shape = (*_three(self.name, "grid", grid, GRID), *_three(self.name, "block", block, BLOCK))
        if shape[3] * shape[4] * shape[5] > THREADS:
            raise LaunchError(f"{self.name}: a block of {shape[3] * shape[4] * shape[5]} threads; at most {THREADS}")
        most = min(self.max_dynamic_shared_size_bytes, MOST_SHARED)
        if shared_mem > most:
            raise LaunchError(f"{self.name}: {shared_mem} bytes of shared memory; at most {most}")
        if len(args) != len(self._signature):
            raise LaunchError(f"{self.name} takes {len(self._signature)} arguments, not {len(args)}")
        kept = [self._bytes(position, *pair) for position, pair in enumerate(zip(args, self._signature, strict=True))]
        self._run(shape, shared_mem, kept)
        capture.record(partial(self._again, args, shape, shared_mem, kept))

    def _again(self, alive: Sequence[Any], *launch: Any) -> None:
        """A recorded launch, which keeps its arrays `alive`."""
        self._run(*launch)

    def _run(self, shape: tuple[int, ...], shared_mem: int, kept: list[ctypes.Array[ctypes.c_char]]) -> None:
        """`kept` is what the kernel finds where its parameters lie."""
        pointers = (ctypes.c_void_p * len(kept))(*map(ctypes.addressof, kept))
        with self._lock:
            error = self._launcher(
                (ctypes.c_uint * 6)(*shape),
                ctypes.c_size_t(shared_mem),
                ctypes.c_uint(getattr(_order, "seed", 0)),
                pointers,
            )
        if error is not None:
            raise LaunchError(f"{self.name}: {error.decode()}")

    def _bytes(self, position: int, argument: Any, wanted: str) -> ctypes.Array[ctypes.c_char]:
        """What the kernel finds where its parameter lies."""
        found = _letters(argument.dtype) if isinstance(argument, ndarray | np.generic) else type(argument).__name__
        if isinstance(argument, ndarray):
            found = f"*{found}"
            value = np.uint64(argument.data.ptr).tobytes()
        elif isinstance(argument, np.generic):
            value = argument.tobytes()
        else:
            value = b""
        no_pointer = wanted[0] == "*" and found == "u8" and argument == 0
        some_pointer = found[0] == "*" == wanted[0] and wanted[1] == "?"
        if found != wanted and not no_pointer and not some_pointer:
            raise LaunchError(
                f"{self.name}: argument {position} must be {NAMES.get(wanted, wanted)}, found {NAMES.get(found, found)}"
            )
        return ctypes.create_string_buffer(value, len(value))


LETTERS = {"bfloat16": "e2", "bool": "b1"}
NAMES = {
    "f2": "a float16", "e2": "a bfloat16", "f4": "a float32", "f8": "a float64", "b1": "a bool",
    **{f"i{size}": f"an int{8 * size}" for size in (1, 2, 4, 8)},
    **{f"u{size}": f"a uint{8 * size}" for size in (1, 2, 4, 8)},
}  # fmt: skip
NAMES |= {f"*{letters}": f"an array of {name.split()[1]}" for letters, name in NAMES.items()}


def _letters(dtype: np.dtype[Any]) -> str:
    return LETTERS.get(dtype.name, f"{dtype.kind}{dtype.itemsize}")


def _three(name: str, kind: str, given: Sequence[int], most: Sequence[int]) -> tuple[int, ...]:
    full = (*given, 1, 1)[:3]
    if len(given) not in (1, 2, 3) or not all(1 <= number <= limit for number, limit in zip(full, most, strict=True)):
        raise LaunchError(f"{name}: a {kind} of {tuple(given)}; from (1, 1, 1) to {tuple(most)}")
    return full
