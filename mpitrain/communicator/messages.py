"""mpi4py's message specifications, read as mpi4py reads them: what lies where, how often, of which type.

    buffer    [buffer, type]    [buffer, count]    [buffer, count, type]    [buffer, (count, displacement), type]
    [buffer, counts]    [buffer, (counts, displacements)]    [buffer, counts, displacements, type]    and so on

A type is a datatype or its name, such as "d"; what is left out follows from the buffer. The words of errors are
mpi4py's, so that programs find what they know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import index
from typing import Any, NamedTuple

import numpy as np

from mpitrain.communicator.datatypes import NO_FORM, Form, form_of, form_of_dtype
from mpitrain.communicator.memory import BOTTOM, Memory, memory_of
from mpitrain.communicator.region import Region
from mpitrain.engines.start import MPI


class _Parts(NamedTuple):
    """A specification taken apart; None for what it leaves out. For one message, counts and displs are numbers."""

    buffer: Any
    counts: Any = None
    displs: Any = None
    type: Any = None


@dataclass(frozen=True, slots=True)
class Simple:
    """`count` elements from byte `start`; so many to each block, if it was read as several blocks."""

    memory: Memory
    start: int
    count: int
    datatype: MPI.Datatype | None
    form: Form

    def region(self, blocks: int = 1) -> Region:
        return Region(self.memory, self.datatype, self.form, [(self.start, self.count * blocks)])

    @property
    def nbytes(self) -> int:
        return self.count * self.form.size


def simple(spec: Any, written: bool, blocks: int = 0) -> Simple:
    """Of one message, or of `blocks` of them, equally long, of which `count` is the length of one."""
    parts = _taken_apart(spec, (tuple, list))
    memory, datatype, form = _base(parts, written)
    length = 0 if memory.bytes is None else memory.bytes.size
    start = 0
    if parts.displs is not None and (displ := index(parts.displs)) != 0:
        if displ < 0:
            raise ValueError(f"message: negative displacement {displ}")
        if form is NO_FORM:
            raise ValueError("message: cannot handle displacement, datatype is null")
        if displ * form.extent > length:
            raise ValueError(
                f"message: displacement {displ} out of bounds, number of datatype entries {length // form.extent}"
            )
        start = displ * form.extent
    if parts.counts is not None:
        count = index(parts.counts)
        if count < 0:
            raise ValueError(f"message: negative count {count}")
        if count > 0 and parts.buffer is None:
            raise ValueError(f"message: buffer is None but count is {count}")
        return Simple(memory, start, count, _checked(datatype), form)
    entries = _entries(length - start, form)
    if blocks > 1 and entries % blocks:
        raise ValueError(
            f"message: cannot infer count, number of entries {entries} is not a multiple of required number of blocks "
            f"{blocks}"
        )
    return Simple(memory, start, entries // max(blocks, 1), _checked(datatype), form)


def vector(spec: Any, written: bool, blocks: int) -> Region:
    """Of `blocks` messages, each with its own length and place."""
    parts = _taken_apart(spec, tuple)
    memory, datatype, form = _base(parts, written)
    if parts.counts is None:
        entries = _entries(0 if memory.bytes is None else memory.bytes.size, form)
        counts = [entries // blocks + (entries % blocks > block) for block in range(blocks)]
    else:
        counts = _many(parts.counts, blocks) or [index(parts.counts)] * blocks
    if parts.displs is None:
        displs = list(accumulate(counts, initial=0))[:-1]
    else:
        displs = _many(parts.displs, blocks) or [index(parts.displs) * block for block in range(blocks)]
    if min(counts, default=0) < 0:
        raise MPI.Exception(MPI.ERR_COUNT)
    pieces = [(displ * form.extent, count) for displ, count in zip(displs, counts, strict=True)]
    return Region(memory, _checked(datatype), form, pieces)


def in_place(spec: Any) -> bool:
    """None stands for it too, where a buffer would."""
    return spec is None or spec is MPI.IN_PLACE


def _taken_apart(spec: Any, nested: Any) -> _Parts:
    """`nested`: what may hold a count and a displacement."""
    if not isinstance(spec, (list, tuple)):
        if isinstance(spec, np.ndarray) or _is_buffer(spec):
            return _Parts(spec)
        raise TypeError("message: expecting buffer or list/tuple")
    if len(spec) == 2:
        buffer, other = spec
        if isinstance(other, (MPI.Datatype, str)):
            return _Parts(buffer, type=other)
        count, displ = other if isinstance(other, nested) else (other, None)
        return _Parts(buffer, count, displ)
    if len(spec) == 3:
        buffer, count, datatype = spec
        count, displ = count if isinstance(count, nested) else (count, None)
        return _Parts(buffer, count, displ, datatype)
    if len(spec) == 4:
        return _Parts(*spec)
    raise ValueError("message: expecting 2 to 4 items")


def _is_buffer(thing: Any) -> bool:
    if hasattr(thing, "__dlpack__") or hasattr(thing, "__cuda_array_interface__"):
        return True
    try:
        memoryview(thing).release()
    except TypeError:
        return False
    except (ValueError, BufferError):
        return True  # it is one, though not for us
    return True


def _base(parts: _Parts, written: bool) -> tuple[Memory, MPI.Datatype | None, Form]:
    """The memory and its type; None for a type that this MPI does not know, of which the form tells enough."""
    at_bottom = parts.buffer is None or parts.buffer is MPI.BOTTOM
    memory = BOTTOM if at_bottom else memory_of(parts.buffer, written, typed=parts.type is None)
    if isinstance(parts.type, MPI.Datatype):
        return memory, parts.type, form_of(parts.type)
    wanted = memory.code if parts.type is None else parts.type
    if isinstance(wanted, np.dtype):
        datatype = DATATYPES.get(wanted.char)
        if datatype is None and (wanted.char == "e" or wanted.name == "bfloat16"):
            return memory, None, form_of_dtype(wanted)
        wanted = wanted.char
    datatype = DATATYPES.get(wanted)
    if datatype is None:
        raise KeyError(f"cannot map {wanted!r} to MPI datatype")
    return memory, datatype, form_of(datatype)


def _checked(datatype: MPI.Datatype | None) -> MPI.Datatype | None:
    if datatype is not None and datatype == MPI.DATATYPE_NULL:
        raise MPI.Exception(MPI.ERR_TYPE)
    return datatype


def _entries(length: int, form: Form) -> int:
    if not length:
        return 0
    if form is NO_FORM:
        raise ValueError("message: cannot infer count, datatype is null")
    if form.extent <= 0:
        raise ValueError(f"message: cannot infer count, datatype extent {form.extent}")
    if length % form.extent:
        raise ValueError(
            f"message: cannot infer count, buffer length {length} is not a multiple of datatype extent {form.extent}"
        )
    return length // form.extent


def _many(numbers: Any, blocks: int) -> list[int] | None:
    """A list of one number a block; None if it is a single number, for all of them."""
    if not isinstance(numbers, Sequence) and getattr(numbers, "ndim", 0) == 0 and hasattr(numbers, "__index__"):
        return None
    found = [index(number) for number in numbers]
    if len(found) != blocks:
        raise ValueError(f"expecting {blocks} items, got {len(found)}")
    return found


DATATYPES: dict[Any, MPI.Datatype] = MPI._typedict
"""mpi4py's own: by the characters of NumPy and of the buffer protocol."""
