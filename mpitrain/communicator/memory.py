"""The memory of whatever mpi4py takes for a buffer, as bytes, and of which type its elements are."""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.communicator.device import on_device
from mpitrain.communicator.dlpack import dtype_of
from mpitrain.engines.start import MPI


class Memory(NamedTuple):
    """`bytes` of the host, flat; None for memory at absolute addresses (MPI.BOTTOM). `device` is where they lie if the
    host cannot reach them, and `bytes` then is room for a copy. `code` is the elements' type, as NumPy's character or
    type; None if nobody asked.
    """

    bytes: np.ndarray | None
    code: str | np.dtype | None = None
    device: int | None = None


BOTTOM = Memory(None)


def memory_of(thing: Any, written: bool, typed: bool) -> Memory:
    """`typed`: its type is wanted too. Raises what mpi4py raises: TypeError, ValueError or BufferError."""
    if isinstance(thing, np.ndarray):
        return _of_array(thing, written)
    try:
        view = memoryview(thing)
    except (TypeError, ValueError, BufferError):
        if hasattr(thing, "__dlpack__") or hasattr(thing, "__cuda_array_interface__"):
            return _of_interface(thing, written, typed)
        raise
    if not view.contiguous:
        raise BufferError("message: expected a contiguous buffer")
    if written and view.readonly:
        raise BufferError("Object is not writable.")
    code = view.format.lstrip("@=<") if typed and view.format else None
    flat = view if view.c_contiguous else np.asarray(view).T.data
    return Memory(np.frombuffer(flat.cast("B") if flat.nbytes else b"", np.uint8), code)


def _of_array(array: np.ndarray, written: bool) -> Memory:
    if not array.flags.c_contiguous:
        if not array.flags.f_contiguous:
            raise ValueError("ndarray is not contiguous")
        array = array.T
    if written and not array.flags.writeable:
        raise ValueError("buffer source array is read-only")
    if not array.dtype.isnative:
        raise BufferError(f"format string {array.dtype.str!r} with non-native byte order")
    return Memory(array.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8), array.dtype)


def _of_interface(thing: Any, written: bool, typed: bool) -> Memory:
    """Of DLPack, or of the CUDA array interface, whose memory may be the host's too."""
    buffer = MPI.buffer.frombuffer(thing, readonly=not written)  # checks that it may be written, and has no gaps
    away, code = on_device(buffer.address), None
    if typed:
        described = getattr(thing, "__cuda_array_interface__", None)
        code = np.dtype(described["typestr"]) if described is not None else dtype_of(thing, on_host=not away)
    if away:
        return Memory(np.empty(buffer.nbytes, np.uint8), code, buffer.address)
    return Memory(np.asarray(buffer), code)
