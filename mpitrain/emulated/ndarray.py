"""The emulated device's array: a NumPy array that nobody gets at except by asking for a copy.

It has the face of CuPy's: it refuses NumPy arrays and silent conversion with CuPy's words, reductions give arrays of no
dimension, and new memory is not zero but full of NaN.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from mpitrain.emulated import capture, memory
from mpitrain.emulated.cuda import Device

SAME = ("dtype", "shape", "ndim", "size", "nbytes", "itemsize", "strides", "flags")
VIEWS = ("T", "real", "imag")
METHODS = """
    all any argmax argmin argsort astype clip conj copy cumprod cumsum diagonal dot flatten max mean min nonzero
    partition prod ravel repeat reshape round searchsorted squeeze std sum swapaxes take trace transpose var view
""".split()  # noqa: SIM905

# How often this process waited for a number of the device to arrive on the host.
synchronisations = 0


def _waits() -> None:
    global synchronisations
    capture.check_host_apart()
    synchronisations += 1


class ndarray(NDArrayOperatorsMixin):
    """An array on the emulated device. Made by `asarray`, `empty` and the like; `get` copies it to the host."""

    __slots__ = ("__weakref__", "_host")
    __hash__ = None  # type: ignore[assignment]
    _host: np.ndarray[Any, Any]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __init__(self, shape: Any, dtype: Any = float, order: Any = "C"):
        host = np.empty(shape, dtype, order)
        host.reshape(-1, order="A").view(np.uint8)[...] = 0xFF  # NaN, or -1: who reads it unwritten shall see
        self._host = host
        memory.count(host)

    @classmethod
    def _of(cls, host: np.ndarray[Any, Any]) -> "ndarray":
        """Over the same memory."""
        array = cls.__new__(cls)
        array._host = host
        memory.count(host)
        return array

    # To the host and back

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> Any:
        """A copy on the host; or `out`, of the same shape and dtype, with these numbers."""
        if blocking:
            _waits()
        if out is None:
            return np.array(self._host, order=order)  # type: ignore[call-overload]
        if out.dtype != self.dtype or out.shape != self.shape:
            raise ValueError(f"out is {out.dtype} {out.shape}, the array {self.dtype} {self.shape}")
        out[...] = self._host
        return out

    def set(self, arr: Any, stream: Any = None) -> None:
        """Takes the numbers of a host array of the same shape and dtype."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"the host array is {arr.dtype} {arr.shape}, the array {self.dtype} {self.shape}")
        capture.check_host_apart()
        self._host[...] = arr

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __float__(self) -> float:
        _waits()
        return float(self._host)

    def __int__(self) -> int:
        _waits()
        return int(self._host)

    def __bool__(self) -> bool:
        _waits()
        return bool(self._host)

    def item(self, *index: Any) -> Any:
        """One number, as Python's."""
        _waits()
        return self._host.item(*index)

    def tolist(self) -> Any:
        """All numbers, as Python's."""
        _waits()
        return self._host.tolist()

    def tobytes(self) -> bytes:
        """All bytes."""
        _waits()
        return self._host.tobytes()

    # What it is

    @property
    def data(self) -> Any:
        """`data.ptr` is the address of the first number."""
        return SimpleNamespace(ptr=self._host.ctypes.data, mem=self._host, device=self.device)

    @property
    def device(self) -> Any:
        """The one emulated device."""
        return Device(0)

    @property
    def base(self) -> Any:
        """The array whose memory this one shows, or None."""
        return None if self._host.base is None else ndarray._of(self._host.base)

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return repr(self._host)

    # Parts

    def __getitem__(self, index: Any) -> "ndarray":
        host, where = self._host, self._index(index)
        part = np.asarray(host[where])
        capture.record_result(part, lambda: host[where], (host,))
        return ndarray._of(part)

    def __setitem__(self, index: Any, value: Any) -> None:
        from mpitrain.emulated.crossing import unwrap

        if isinstance(value, list | tuple):
            raise TypeError(f"Unsupported type {type(value)}")
        host, where, numbers = self._host, self._index(index), unwrap(value)
        host[where] = numbers
        capture.record(lambda: host.__setitem__(where, numbers))

    def __iter__(self) -> Any:
        return map(self.__getitem__, range(len(self)))

    def _index(self, index: Any) -> Any:
        from mpitrain.emulated.crossing import unwrap

        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, ndarray) and part.dtype == bool for part in parts):
            _waits()  # how many there are, the device must tell
        # Unlike its arithmetic, CuPy's indexing takes host arrays of positions, and sends them to the device.
        return tuple(part if isinstance(part, np.ndarray) else unwrap(part) for part in parts)

    def fill(self, value: Any) -> None:
        """Every number becomes this one."""
        self[...] = value

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        """In place."""
        self._host.sort(axis, kind)
        capture.record(lambda: self._host.sort(axis, kind))

    # NumPy's functions and operators come here

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        from mpitrain.emulated.crossing import call

        for x in inputs:
            if not isinstance(x, ndarray | np.generic | bool | int | float | complex):
                raise TypeError(f"Unsupported type {type(x)}")
        return call(getattr(ufunc, method), ufunc.__name__, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        from mpitrain.emulated.crossing import call

        return call(function, function.__name__, args, options)


def _same(name: str) -> property:
    return property(lambda self: getattr(self._host, name))


def _view(name: str) -> property:
    return property(lambda self: ndarray._of(getattr(self._host, name)))


def _method(name: str) -> Any:
    function = getattr(np.ndarray, name)

    def method(self: ndarray, *args: Any, **options: Any) -> Any:
        from mpitrain.emulated.crossing import call

        return call(function, name, (self, *args), options)

    method.__name__ = name
    return method


for _name in SAME:
    setattr(ndarray, _name, _same(_name))
for _name in VIEWS:
    setattr(ndarray, _name, _view(_name))
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))
