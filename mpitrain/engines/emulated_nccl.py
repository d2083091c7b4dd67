"""What stands in for `cupy.cuda.nccl` on the emulated device: the same calls, which move host memory by messages.

Stricter than NCCL, which hangs, or computes nonsense, where this raises `NcclError`: a send or receive outside of a
group; two sides that differ in count, type, operation or root; an address outside of the device's memory; a group that
never ends; a communicator that is used after its end. What it cannot show is anything that comes of time: it does
everything at once, in the order in which it is told.
"""

import os
from collections import deque
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from mpitrain.world import Work, World

ID_BYTES = 128

TYPES = MappingProxyType({
    0: "int8", 1: "uint8", 2: "int32", 3: "uint32", 4: "int64", 5: "uint64", 6: "float16", 7: "float32", 8: "float64",
    9: "bfloat16",
})  # fmt: skip
"""By NCCL's numbers (nccl.h, ncclDataType_t)."""

OPS = ("sum", "prod", "max", "min", "avg")
"""In NCCL's order (nccl.h, ncclRedOp_t)."""

TAG = 0
HEAD = 16
"""Bytes before the data of a message: their count and their type."""

ROOM = 4096
"""Bytes by which a message may be longer than its receiver expects, to be told so."""


class NcclError(RuntimeError):
    """What NCCL would refuse, or hang in."""


class Nccl:
    """The module. `host` is a world of its own, over which everything goes; `memory(address, nbytes)` the bytes there,
    `ValueError` where the device has none."""

    NcclError = NcclError

    def __init__(self, host: World, memory: Callable[[int, int], np.ndarray]):
        self.host, self.memory = host, memory
        self._depth = 0
        self._group: list[Callable[[], None]] = []
        self._sends: list[tuple[int, np.ndarray, int]] = []
        self._receives: list[tuple[int, np.ndarray, int]] = []
        for number, name in TYPES.items():
            setattr(self, f"NCCL_{name.upper()}", number)
        for number, name in enumerate(OPS):
            setattr(self, f"NCCL_{name.upper()}", number)

    def get_version(self) -> int:
        """0: no NCCL."""
        return 0

    def get_unique_id(self) -> bytes:
        return os.urandom(ID_BYTES)

    def groupStart(self) -> None:
        self._depth += 1

    def groupEnd(self) -> None:
        if self._depth == 0:
            raise NcclError("groupEnd without groupStart")
        self._depth -= 1
        if self._depth:
            return
        calls, self._group = self._group, []
        for call in calls:
            call()
        sends, receives, self._sends, self._receives = self._sends, self._receives, [], []
        self._exchange(sends, receives)

    def NcclCommunicator(self, size: int, unique_id: bytes, rank: int) -> "Communicator":
        if (size, rank) != (self.host.size, self.host.rank) or len(unique_id) != ID_BYTES:
            raise NcclError(f"rank {rank} of {size}, an id of {len(unique_id)} bytes: invalid argument")
        self.agree("NcclCommunicator", *np.frombuffer(unique_id[:64], np.int64))
        return Communicator(self)

    def collective(self, call: Callable[[], None]) -> None:
        """At the end of its group, or now."""
        if self._depth:
            self._group.append(call)
        else:
            call()

    def message(self, name: str, address: int, count: int, kind: int, peer: int) -> None:
        if self._depth == 0:
            raise NcclError(f"{name} outside of a group: it would wait for a peer that may be waiting for us")
        if not 0 <= peer < self.host.size:
            raise NcclError(f"{name}: peer {peer}: invalid argument")
        queue = self._sends if name == "send" else self._receives
        queue.append((peer, self.numbers(address, count, kind), kind))

    def numbers(self, address: int, count: int, kind: int) -> np.ndarray:
        """The device's memory there."""
        name = TYPES.get(kind)
        if name is None:
            raise NcclError(f"type {kind}: invalid argument")
        if name == "bfloat16":
            import ml_dtypes  # noqa: F401  (NumPy knows the name from it)
        dtype = np.dtype(name)
        if count == 0:
            return np.empty(0, dtype)
        try:
            return self.memory(address, count * dtype.itemsize).view(dtype)
        except ValueError as error:
            raise NcclError(f"{count} x {name} at {address:#x}: {error}") from None

    def agree(self, *said: Any) -> None:
        """All ranks must say the same: the name of the call and up to eight numbers."""
        everybody = np.zeros((self.host.size, 9), np.int64)
        mine = everybody[self.host.rank]
        mine[0], mine[1 : len(said)] = crc32(said[0].encode()), said[1:]
        self.host.allgather(everybody)
        for rank, other in enumerate(everybody):
            if (other != mine).any():
                theirs = f"{said[0]}{tuple(other[1 : len(said)].tolist())}" if other[0] == mine[0] else "another call"
                raise NcclError(f"rank {self.host.rank} calls {said[0]}{said[1:]}, rank {rank} {theirs}")

    def _exchange(self, sends: list[tuple[int, np.ndarray, int]], receives: list[tuple[int, np.ndarray, int]]) -> None:
        """All at once, as the messages of a group travel: every send takes the value from before."""
        host, works, own = self.host, list[Work](), deque[tuple[np.ndarray, int]]()
        for peer, array, kind in sends:
            data = array.copy()
            if peer == host.rank:
                own.append((data, kind))
                continue
            said = np.array([array.size, kind]).view(np.uint8)
            works.append(host.start_send(np.concatenate([said, data.view(np.uint8)]), peer, TAG))
        for peer, array, kind in receives:
            if peer == host.rank:
                if not own:
                    raise NcclError(f"rank {peer} receives from itself what it does not send in this group")
                data, sent_kind = own.popleft()
                self._check(peer, (data.size, sent_kind), array, kind)
                array[...] = data
                continue
            message = np.zeros(HEAD + array.nbytes + ROOM, np.uint8)
            host.recv(message, peer, TAG)
            self._check(peer, tuple(message[:HEAD].view(np.int64).tolist()), array, kind)
            array.view(np.uint8)[...] = message[HEAD : HEAD + array.nbytes]
        if own:
            raise NcclError(f"rank {host.rank} sends to itself what it does not receive in this group")
        for work in works:
            work.wait()

    def _check(self, peer: int, sent: tuple[int, ...], array: np.ndarray, kind: int) -> None:
        if sent != (array.size, kind):
            raise NcclError(
                f"rank {peer} sends {sent[0]} x {TYPES[sent[1]]}, rank {self.host.rank} receives {array.size} x "
                f"{TYPES[kind]}"
            )


class Communicator:
    """NCCL's calls, with CuPy's arguments. `stream` is taken and not looked at."""

    def __init__(self, module: Nccl):
        self._module: Nccl | None = module

    def destroy(self) -> None:
        self._alive()
        self._module = None

    def send(self, address: int, count: int, kind: int, peer: int, stream: int) -> None:
        self._alive().message("send", address, count, kind, peer)

    def recv(self, address: int, count: int, kind: int, peer: int, stream: int) -> None:
        self._alive().message("recv", address, count, kind, peer)

    def allReduce(self, source: int, target: int, count: int, kind: int, op: int, stream: int) -> None:
        self._alive().collective(partial(self._reduce, "allReduce", source, target, count, kind, op, None))

    def reduce(self, source: int, target: int, count: int, kind: int, op: int, root: int, stream: int) -> None:
        self._alive().collective(partial(self._reduce, "reduce", source, target, count, kind, op, root))

    def broadcast(self, source: int, target: int, count: int, kind: int, root: int, stream: int) -> None:
        self._alive().collective(partial(self._broadcast, source, target, count, kind, root))

    def reduceScatter(self, source: int, target: int, count: int, kind: int, op: int, stream: int) -> None:
        self._alive().collective(partial(self._reduce_scatter, source, target, count, kind, op))

    def allGather(self, source: int, target: int, count: int, kind: int, stream: int) -> None:
        self._alive().collective(partial(self._gather, source, target, count, kind))

    def _alive(self) -> Nccl:
        if self._module is None:
            raise NcclError("a communicator that was destroyed: invalid argument")
        return self._module

    def _sum(self, name: str, source: int, count: int, kind: int, op: int, root: int) -> np.ndarray:
        module = self._alive()
        module.agree(name, count, kind, op, root)
        total = module.numbers(source, count, kind).copy()
        return module.host.allreduce(total, "mean" if OPS[op] == "avg" else OPS[op])

    def _reduce(self, name: str, source: int, target: int, count: int, kind: int, op: int, root: int | None) -> None:
        total = self._sum(name, source, count, kind, op, -1 if root is None else root)
        if root in (None, self._alive().host.rank):
            self._alive().numbers(target, count, kind)[...] = total

    def _reduce_scatter(self, source: int, target: int, count: int, kind: int, op: int) -> None:
        module = self._alive()
        total = self._sum("reduceScatter", source, count * module.host.size, kind, op, -1)
        module.numbers(target, count, kind)[...] = total.reshape(module.host.size, count)[module.host.rank]

    def _broadcast(self, source: int, target: int, count: int, kind: int, root: int) -> None:
        module = self._alive()
        module.agree("broadcast", count, kind, root)
        at_root = module.host.rank == root
        data = (
            module.numbers(source, count, kind).copy()
            if at_root
            else np.empty_like(module.numbers(target, count, kind))
        )
        module.numbers(target, count, kind)[...] = module.host.bcast(data, root)

    def _gather(self, source: int, target: int, count: int, kind: int) -> None:
        module = self._alive()
        module.agree("allGather", count, kind)
        own = module.numbers(source, count, kind).copy()
        whole = module.numbers(target, count * module.host.size, kind)
        everything = np.empty_like(whole)
        everything.reshape(module.host.size, count)[module.host.rank] = own
        whole[...] = module.host.allgather(everything)
