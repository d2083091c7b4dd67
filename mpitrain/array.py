"""NumPy, CuPy or the emulated device: whose an array is, and how foreign arrays come in without a copy."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

# Modules whose arrays lie in the memory of a device.
DEVICES = ("cupy", "mpitrain.emulated")

# Device types of the DLPack standard whose memory the host can address.
DLPACK_HOST = (1, 3)  # kDLCPU, kDLCUDAHost


def namespace(x: Any) -> ModuleType:
    """The module, numpy, cupy or mpitrain.emulated, whose functions work on `x`.

    The two devices are never imported here: an array of theirs cannot exist before somebody has imported them.
    """
    if isinstance(x, np.ndarray):
        return np
    for name in DEVICES:
        module = sys.modules.get(name)
        if module is not None and isinstance(x, module.ndarray):
            return module
    return np


def as_array(x: Any) -> Any:
    """`x` as an array of NumPy, CuPy or the emulated device over the same memory, never a copy.

    Takes arrays of all three, and anything that offers `__cuda_array_interface__`, `__array_interface__`, the buffer
    protocol or DLPack. Raises TypeError, naming what was found, for everything else (lists and numbers have no
    memory to share).
    """
    if isinstance(x, np.ndarray) or namespace(x) is not np:
        return x
    if hasattr(x, "__cuda_array_interface__"):
        return _cupy_for(x).asarray(x)
    # A NumPy scalar shows an __array_interface__, but of a copy made on the spot.
    if hasattr(x, "__array_interface__") and not isinstance(x, np.generic):
        return np.asarray(x, copy=False)
    if not isinstance(x, np.generic):
        try:
            return np.asarray(memoryview(x))
        except TypeError:
            pass  # No buffer protocol; there is one more door.
    if hasattr(x, "__dlpack__"):
        on_host = x.__dlpack_device__()[0] in DLPACK_HOST
        return np.from_dlpack(x) if on_host else _cupy_for(x).from_dlpack(x)
    raise TypeError(
        f"expected an array (NumPy, CuPy, or an object with the buffer protocol, __array_interface__, DLPack or "
        f"__cuda_array_interface__), found {_kind(x)}; make one with numpy.asarray"
    )


def to_host(x: Any) -> np.ndarray:
    """The numbers of a NumPy, CuPy or emulated array as NumPy's: a copy, or the array itself if it is one of NumPy's.

    From a device this waits for all that `x` depends on.
    """
    return np.asarray(x) if namespace(x) is np else x.get()


def _cupy_for(x: Any) -> ModuleType:
    try:
        return import_module("cupy")
    except ImportError:
        raise TypeError(f"{_kind(x)} lies in the memory of a CUDA device, which takes CuPy; install cupy") from None


def _kind(x: Any) -> str:
    """The full name of the type of `x`, such as `list` or `torch.Tensor`."""
    kind = type(x)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
