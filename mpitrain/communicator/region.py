"""Elements in a caller's memory, and that memory as the flat array that our engines work on."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from mpitrain.communicator.datatypes import Form, convert
from mpitrain.communicator.device import to_device, to_host
from mpitrain.communicator.memory import Memory
from mpitrain.engines.start import MPI

Action = Callable[[], object]


class Worked(NamedTuple):
    """A flat array to work on, and what to do `before` and `after` for the caller's memory to have part in it."""

    array: np.ndarray
    before: Sequence[Action] = ()
    after: Sequence[Action] = ()


class Region:
    """Some `pieces`, (where it begins in bytes, how many elements), of a memory that holds elements of one datatype."""

    def __init__(self, memory: Memory, datatype: MPI.Datatype | None, form: Form, pieces: Sequence[tuple[int, int]]):
        self.memory, self.datatype, self.form, self.pieces = memory, datatype, form, pieces

    @cached_property
    def sizes(self) -> list[int]:
        """Bytes of data in each piece."""
        return [count * self.form.size for _, count in self.pieces]

    @cached_property
    def nbytes(self) -> int:
        return sum(self.sizes)

    @property
    def count(self) -> int:
        return sum(count for _, count in self.pieces)

    def worked(self, read: bool, written: bool, writeable: bool = False) -> Worked:
        """As bytes of data. `read`: what is there matters; `written`: the caller wants what comes of it.

        `writeable`: it must be possible to write there, even if the caller did not allow it.
        """
        return self._on(self._dense(), np.dtype(np.uint8), read, written, writeable)

    def elements(self, dtype: np.dtype, read: bool, written: bool, writeable: bool = False) -> Worked:
        """As elements to combine: `dtype` covers their extent, or their packed data if they are of a derived type."""
        dense = self._slice(self.form.extent) if self.form.dtype is not None else None
        return self._on(dense, dtype, read, written, writeable)

    def block(self, number: int) -> "Region":
        return Region(self.memory, self.datatype, self.form, [self.pieces[number]])

    def _on(self, dense: np.ndarray | None, dtype: np.dtype, read: bool, written: bool, writeable: bool) -> Worked:
        before: list[Action] = []
        after: list[Action] = []
        bytes_, device = self.memory.bytes, self.memory.device
        if device is not None and bytes_ is not None:
            before.append(partial(to_host, device, bytes_))
        if dense is None:
            packed = np.empty(self.nbytes, np.uint8)
            if read:
                before.append(partial(self._read, packed))
            if written:
                after.append(partial(self._write, packed))
        else:
            packed = dense
            if writeable and not dense.flags.writeable:
                packed = np.empty(dense.size, np.uint8)
                before.append(partial(np.copyto, packed, dense))
        if device is not None and bytes_ is not None and written:
            after.append(partial(to_device, bytes_, device))
        return Worked(packed.view(dtype), before, after)

    def _dense(self) -> np.ndarray | None:
        """The bytes themselves, if they lie one after the other."""
        return self._slice(self.form.size) if self.form.dense else None

    def _slice(self, extent: int) -> np.ndarray | None:
        if self.memory.bytes is None:
            return None
        start = stop = self.pieces[0][0] if self.pieces else 0
        for begin, count in self.pieces:
            if count and begin != stop:
                return None
            stop += count * extent
        if stop > self.memory.bytes.size:
            raise ValueError(f"message: buffer of {self.memory.bytes.size} bytes: expected at least {stop}")
        return self.memory.bytes[start:stop]

    def _read(self, target: np.ndarray) -> None:
        """Pack all elements."""
        for piece, packed in self._parts(target):
            convert(piece, packed)

    def _write(self, source: np.ndarray) -> None:
        """Unpack all elements."""
        for piece, packed in self._parts(source):
            convert(packed, piece)

    def _parts(self, data: np.ndarray) -> list[tuple[list, list]]:
        """Each piece and its packed data, as message specifications."""
        found, at = [], 0
        bytes_ = self.memory.bytes
        for (begin, count), size in zip(self.pieces, self.sizes, strict=True):
            if size:
                where = [MPI.BOTTOM if bytes_ is None else bytes_[begin:], count, self.datatype]
                found.append((where, [data[at : at + size], MPI.PACKED]))
            at += size
        return found
