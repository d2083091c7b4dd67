"""How much memory emulated arrays hold: the figures of CuPy's memory pool."""

import weakref
from typing import Any

import numpy as np

_owners: dict[int, weakref.ref[Any]] = {}  # by id, so that two arrays over one memory count once
_bytes = {"used": 0, "most": 0}


def count(array: np.ndarray[Any, Any]) -> None:
    """Takes note of the memory under an array until it is gone."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    key, nbytes = id(owner), owner.nbytes
    if key in _owners:
        return

    def gone(_: Any) -> None:
        del _owners[key]
        _bytes["used"] -= nbytes

    _owners[key] = weakref.ref(owner, gone)
    _bytes["used"] += nbytes
    _bytes["most"] = max(_bytes["most"], _bytes["used"])


class MemoryPool:
    """What there is of CuPy's pool, which keeps what was freed: `total_bytes` is the most that was used at once."""

    def used_bytes(self) -> int:
        """Bytes that arrays hold now."""
        return _bytes["used"]

    def total_bytes(self) -> int:
        """Bytes taken from the device."""
        return _bytes["most"]

    def free_all_blocks(self) -> None:
        """Gives back what no array holds."""
        _bytes["most"] = _bytes["used"]


_pool = MemoryPool()


def get_default_memory_pool() -> MemoryPool:
    """The one pool of this process."""
    return _pool


def bytes_at(address: int, nbytes: int) -> np.ndarray[Any, Any]:
    """The memory of the device there, for what is told an address. ValueError where no array holds all of it."""
    for owner in map(weakref.ref.__call__, tuple(_owners.values())):
        if owner is not None and owner.flags.c_contiguous:
            start = address - owner.ctypes.data
            if start >= 0 and start + nbytes <= owner.nbytes:
                return owner.reshape(-1).view(np.uint8)[start : start + nbytes]
    raise ValueError(f"{nbytes} bytes at {address:#x} are not in the device's memory")
