"""A device like CuPy's that is no GPU: the whole path of a GPU on a machine without one.

The module has CuPy's face: `asarray`, `asnumpy`, `empty`, NumPy's functions, `RawModule`, `cuda`. Arrays are NumPy's
inside (ndarray.py) and never mix with them (crossing.py); CUDA sources are built by g++ and run on the CPU (module.py,
kernels/cuda_on_cpu.h). It is for tests: nothing here is fast, and what CuPy refuses is refused.
"""

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from mpitrain.emulated import capture, cuda, lacking
from mpitrain.emulated import ndarray as _array
from mpitrain.emulated.crossing import call
from mpitrain.emulated.memory import get_default_memory_pool
from mpitrain.emulated.module import LaunchError, RawModule, thread_order
from mpitrain.emulated.ndarray import ndarray

__all__ = [
    "LaunchError",
    "RawModule",
    "array",
    "asarray",
    "ascontiguousarray",
    "asnumpy",
    "cuda",
    "empty",
    "empty_like",
    "get_default_memory_pool",
    "lib",
    "linalg",
    "ndarray",
    "synchronisations",
    "thread_order",
]  # fmt: skip


def asarray(a: Any, dtype: Any = None, order: Any = None, *, blocking: bool = False) -> ndarray:
    """On the device: an emulated array as it is if it can be, anything else of NumPy's as a copy."""
    if isinstance(a, ndarray):
        host = np.asarray(a._host, dtype, order)
        if host is a._host:
            return a
        capture.record_result(host, lambda: a._host, (a._host,))
        return ndarray._of(host)
    capture.check_host_apart()
    return ndarray._of(np.array(a, dtype, order=order or "K"))


def array(obj: Any, dtype: Any = None, copy: bool = True, order: Any = "K", ndmin: int = 0) -> ndarray:
    """A copy on the device."""
    host = obj._host if isinstance(obj, ndarray) else obj
    copied = np.array(host, dtype, order=order, ndmin=ndmin)
    capture.record_result(copied, lambda: host, ())
    return ndarray._of(copied)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    """As `asarray`, in C order."""
    return asarray(a, dtype, "C")


def asnumpy(a: Any, stream: Any = None, order: Any = "C", out: Any = None, *, blocking: bool = True) -> Any:
    """On the host: an emulated array as a copy, anything else as NumPy's `asarray` takes it."""
    return a.get(order=order, out=out) if isinstance(a, ndarray) else np.asarray(a, order=order)


def empty(shape: Any, dtype: Any = float, order: Any = "C") -> ndarray:
    """Not zero: full of NaN, or of -1."""
    return ndarray(shape, dtype, order)


def empty_like(
    prototype: ndarray, dtype: Any = None, order: Any = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    """As `empty`, with another array's shape and dtype."""
    return ndarray(prototype.shape if shape is None else shape, dtype or prototype.dtype)


def synchronisations() -> int:
    """How often the host has waited for the device so far: `get`, `float`, `bool`, `item`, a mask of unknown size."""
    return _array.synchronisations


class _Function:
    """A function of NumPy's that takes and gives emulated arrays."""

    def __init__(self, function: Any, name: str):
        self._function, self.__name__ = function, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return call(self._function, self.__name__, args, options)

    def __getattr__(self, name: str) -> "_Function":  # add.at, add.reduce, ...
        return _Function(getattr(self._function, name), self.__name__)


def _functions(module: Any, *names: str) -> SimpleNamespace:
    return SimpleNamespace(**{name: _Function(getattr(module, name), name) for name in names})


linalg = _functions(np.linalg, "norm", "svd", "qr", "solve", "cholesky", "inv", "det", "eigh")
lib = SimpleNamespace(stride_tricks=_functions(np.lib.stride_tricks, "as_strided", "sliding_window_view"))


def __getattr__(name: str) -> Any:
    """NumPy's function, constant or type of this name. AttributeError if CuPy has it not, or it is a module."""
    found = None if name in lacking.NAMES or name.startswith("_") else getattr(np, name, None)
    if (found is None and name != "newaxis") or isinstance(found, ModuleType):
        raise AttributeError(f"module 'mpitrain.emulated' has no attribute {name!r}: CuPy has none, or we use none")
    if callable(found) and not isinstance(found, type):
        found = globals()[name] = _Function(found, name)
    return found
