"""Memory of a CUDA device, through the driver alone: whether an address lies there, and copies to and from the host.

mpi4py hands such addresses to the MPI library, which must then be built for CUDA. Our schedules run on the host: what
lies on a device is copied there before a call, and back after it.
"""

import ctypes
from functools import cache

import numpy as np

MEMORY_TYPE = 2  # CU_POINTER_ATTRIBUTE_MEMORY_TYPE
ON_DEVICE = 2  # CU_MEMORYTYPE_DEVICE


@cache
def driver() -> ctypes.CDLL | None:
    """CUDA's driver; None where there is none, and so no device."""
    try:
        return ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None


def on_device(address: int) -> bool:
    """Whether the host cannot reach this address, which some array with `__cuda_array_interface__` gave."""
    cuda, found = driver(), ctypes.c_uint(0)
    if cuda is None or not address:
        return False
    status = cuda.cuPointerGetAttribute(ctypes.byref(found), MEMORY_TYPE, ctypes.c_uint64(address))
    return status == 0 and found.value == ON_DEVICE


def to_host(address: int, target: np.ndarray) -> None:
    """Copy as many bytes as `target` has."""
    _copy("cuMemcpyDtoH_v2", ctypes.c_void_p(target.ctypes.data), ctypes.c_uint64(address), target.nbytes)


def to_device(source: np.ndarray, address: int) -> None:
    _copy("cuMemcpyHtoD_v2", ctypes.c_uint64(address), ctypes.c_void_p(source.ctypes.data), source.nbytes)


def _copy(name: str, target: object, source: object, nbytes: int) -> None:
    status = getattr(driver(), name)(target, source, ctypes.c_size_t(nbytes))
    if status != 0:
        raise BufferError(f"{name} failed with CUDA's error {status}: expected an array of this process's device")
