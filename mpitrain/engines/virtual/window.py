"""One-sided access to the memory of other virtual ranks: what is written arrives when its message would."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import numpy as np

from mpitrain.engines.buffers import flat
from mpitrain.engines.reduction import as_op
from mpitrain.engines.virtual.messenger import VirtualMessenger
from mpitrain.engines.virtual.requests import Request
from mpitrain.engines.window_access import part_of
from mpitrain.world import Array, Window


class VirtualWindow(Window):
    """Memory of every rank of a world. To put and to accumulate take the time of a message, to get that of two; the
    target's program does not take part. `memories` has those of all ranks of the job."""

    def __init__(self, messenger: VirtualMessenger, name: Any, memories: dict[Any, np.ndarray], memory: np.ndarray):
        self.local = memory
        self._messenger, self._name, self._memories = messenger, name, memories
        self._number = count()
        self._pending: dict[int, list[Request]] = {}
        memories[name, messenger.rank.number] = memory

    def put(self, data: Array, peer: int, offset: int = 0) -> None:
        self._write(flat("put", data, written=False), peer, offset, np.copyto)

    def accumulate(self, data: Array, peer: int, offset: int = 0, op: Any = "sum") -> None:
        how = as_op(op)
        self._write(
            flat("accumulate", data, written=False), peer, offset,
            lambda target, arrived: how.combine(target, arrived, out=target),
        )  # fmt: skip

    def get(self, buffer: Array, peer: int, offset: int = 0) -> None:
        array = flat("get", buffer)
        source = self._part(peer, offset, array)
        there, back = self._message(peer, np.empty(0)), self._context()
        own, other = self._messenger.rank.number, self._messenger.members[peer]
        fabric = self._messenger.fabric
        self._pending.setdefault(peer, []).append(fabric.recv(own, other, back, array))
        there.then = partial(fabric.send, other, own, back, source)

    def flush(self, peer: int | None = None) -> None:
        peers = list(self._pending) if peer is None else [peer]
        self._messenger.wait([request for each in peers for request in self._pending.pop(each, ())], None)

    def free(self) -> None:
        self.flush()
        self._memories.pop((self._name, self._messenger.rank.number), None)

    def _write(self, array: np.ndarray, peer: int, offset: int, how: Callable[[np.ndarray, np.ndarray], Any]) -> None:
        target = self._part(peer, offset, array)
        arriving = self._message(peer, array)
        arriving.then = partial(how, target, arriving.array)
        self._pending.setdefault(peer, []).append(arriving)

    def _message(self, peer: int, array: np.ndarray) -> Request:
        """A message that the target's port receives by itself; its arrival there."""
        fabric, own, other = self._messenger.fabric, self._messenger.rank.number, self._messenger.members[peer]
        context = self._context()
        arriving = fabric.recv(other, own, context, np.empty_like(array))
        fabric.send(own, other, context, array)
        return arriving

    def _context(self) -> Any:
        return (self._name, self._messenger.rank.number, next(self._number))

    def _part(self, peer: int, offset: int, array: np.ndarray) -> np.ndarray:
        return part_of(self._memories[self._name, self._messenger.members[peer]], peer, offset, array)
