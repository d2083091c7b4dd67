"""Messages on one communicator: ad hoc, or persistent requests that are made once and freed at the end.

Messages travel as plain words, so that every type of number can; what is reduced is reduced on our side.

To ranks of other nodes long messages go in segments, all posted at once. MPI libraries send a short message at once and
ask before they send a long one; over TCP the answer then queues up behind whatever goes the other way, and two ranks
that exchange long messages take turns instead of sending at the same time (`docs/performance.md`).
"""

import math
import os
from collections.abc import Iterator, Sequence
from math import gcd
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.engines.binding import Stage
from mpitrain.engines.buffers import address
from mpitrain.engines.progress import Progress, mode_of
from mpitrain.engines.staged import Messages, Requests, StagedWork
from mpitrain.engines.start import MANY_THREADS, MPI
from mpitrain.engines.tally import TALLY
from mpitrain.errors import UsageError
from mpitrain.world import Array, Work

KNOWN = "bBhHiIlLqQfdFD"
"""The characters of NumPy's types that every MPI has."""

SEGMENT = 63 << 10
"""Bytes. With its header a message of this length is what Open MPI still sends over TCP without asking."""

STRANDS_FROM = 16
"""Segments from which data go in two strands between nodes."""


class AdHocMessages:
    """The messages of a stage that runs once."""

    def __init__(self, comm: MPI.Intracomm, stage: Stage, tag: int):
        self._comm, self._stage, self._tag = comm, stage, tag

    def post(self) -> Requests:
        comm, tag = self._comm, self._tag
        return [comm.Irecv(as_words(array), peer, tag) for peer, array in self._stage.recv] + [
            comm.Isend(as_words(array), peer, tag) for peer, array in self._stage.send
        ]

    def free(self) -> None:
        pass


class PersistentMessages:
    """The messages of a plan's stage."""

    def __init__(self, comm: MPI.Intracomm, stage: Stage, tag: int):
        self._requests: Requests = [comm.Recv_init(as_words(array), peer, tag) for peer, array in stage.recv]
        self._requests += [comm.Send_init(as_words(array), peer, tag) for peer, array in stage.send]

    def post(self) -> Requests:
        MPI.Prequest.Startall(self._requests)
        return self._requests

    def free(self) -> None:
        for request in self._requests:
            request.Free()


class MPIMessenger:
    """The `Messenger` of real ranks."""

    def __init__(self, comm: MPI.Intracomm, progress: Progress):
        self._comm, self.progress = comm, progress
        self._segment, self._distant = SEGMENT, frozenset[int]()
        self.strands_from = math.inf  # bytes of a call's data

    def know_nodes(self, nodes: Sequence[int]) -> None:
        """On which node every rank is. Collective. Rank 0's environment counts: launchers may keep it from others."""
        own, several = nodes[self._comm.Get_rank()], len(set(nodes)) > 1
        self._distant = frozenset(rank for rank, node in enumerate(nodes) if node != own)
        self._segment = segment_of(self._comm.bcast(os.environ.get("MPITRAIN_SEGMENT_BYTES")))
        if self._segment and several:
            self.strands_from = STRANDS_FROM * self._segment
        self.progress.move_by(mode_of(os.environ, several, MANY_THREADS))

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        if self._segment and self._distant:
            stage = stage._replace(send=tuple(self._cut(stage.send)), recv=tuple(self._cut(stage.recv)))
        return (PersistentMessages if kept else AdHocMessages)(self._comm, stage, tag)

    def _cut(self, messages: Sequence[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """The same in segments where they go to another node, or come from one: both sides know where."""
        for peer, array in messages:
            count = max(1, self._segment // array.itemsize) if peer in self._distant else array.size
            for start in range(0, array.size, count):
                yield peer, array[start : start + count]

    def test(self, requests: Requests) -> bool:
        return MPI.Request.Testall(requests)

    def wait(self, requests: Requests, work: StagedWork | None) -> None:
        under_way = self.progress.under_way
        if not under_way or under_way == [work]:
            MPI.Request.Waitall(requests)
        else:
            self.wait_moving(requests, work)

    def pause(self, work: StagedWork | None) -> None:
        self.progress.move_others(work)
        os.sched_yield()

    def wait_moving(self, requests: Requests, work: StagedWork | None = None) -> None:
        """Wait for requests of `work`, or of none, while the works under way move on."""
        while not MPI.Request.Testall(requests):
            self.pause(work)


class Message(NamedTuple):
    """What a caller sends or receives: its direction ("to" or "from"), the peer, the tag."""

    direction: str
    peer: int
    tag: int
    nbytes: int

    def __str__(self) -> str:
        call = "send" if self.direction == "to" else "recv"
        return f"{call} of {self.nbytes:,} bytes {self.direction} rank {self.peer}, tag {self.tag}"


class MessageWork(Work):
    """One message from the caller's hands."""

    def __init__(self, messenger: MPIMessenger, request: MPI.Request, buffer: Array, message: Message):
        self._messenger, self._request, self._buffer, self.message = messenger, request, buffer, message
        TALLY.messages += 1

    def test(self) -> bool:
        return self._request.Test()

    def wait(self) -> Array:
        self._messenger.wait_moving([self._request])
        return self._buffer


def segment_of(asked: str | None) -> int:
    """Bytes of a segment, from the environment; 0: messages to other nodes go in one piece, too."""
    if asked is None:
        return SEGMENT
    if not asked.isdigit():
        raise UsageError(f"MPITRAIN_SEGMENT_BYTES={asked}: expected bytes, or 0 for whole messages", agreed=True)
    return int(asked)


def as_words(array: Array) -> Any:
    """The same memory as numbers that MPI knows: of their own type, or as unsigned integers; a device's as bytes at an
    address, which MPI must know how to take."""
    if type(array) is not np.ndarray and namespace(array) is not np:
        return [MPI.buffer.fromaddress(address(array), array.nbytes), MPI.BYTE]
    return array if array.dtype.char in KNOWN else array.view(f"u{gcd(array.itemsize, 8)}")
