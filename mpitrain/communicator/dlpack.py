"""The type of a DLPack tensor's elements, read from its header: NumPy itself refuses some, such as long doubles.

DLTensor:  data, 8 bytes | device, 8 | number of axes, 4 | kind, 1 | bits, 1 | lanes, 2 | ...
"""

import ctypes
from typing import Any

import numpy as np

KINDS = {0: "i", 1: "u", 2: "f", 5: "c", 6: "b"}
"""DLDataTypeCode, and NumPy's character for it."""

FLOAT = 2

KIND = 20
"""Where in the header it stands."""

_pointer_in = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_in.argtypes, _pointer_in.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p


def dtype_of(tensor: Any, on_host: bool) -> np.dtype:
    """`BufferError` for a type that NumPy has not."""
    capsule = tensor.__dlpack__() if on_host else tensor.__dlpack__(stream=-1)
    header = _pointer_in(capsule, b"dltensor")
    kind, bits, lanes = *ctypes.string_at(header + KIND, 2), ctypes.c_uint16.from_address(header + KIND + 2).value
    if kind == FLOAT and lanes == 2:  # a complex number, before DLPack had those
        return np.dtype(f"c{bits // 4}")
    if kind not in KINDS or lanes != 1:
        raise BufferError(f"dlpack: elements of kind {kind}, {bits} bits and {lanes} lanes: expected plain numbers")
    return np.dtype(f"{KINDS[kind]}{bits // 8}")
