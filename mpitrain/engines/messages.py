"""Messages on one communicator: ad hoc, or persistent requests that are made once and freed at the end.

Messages travel as plain words, so that every type of number can; what is reduced is reduced on our side.
"""

import os
from math import gcd
from typing import NamedTuple

import numpy as np

from mpitrain.engines.binding import Stage
from mpitrain.engines.progress import Progress
from mpitrain.engines.staged import Messages, Requests, StagedWork
from mpitrain.engines.start import MPI
from mpitrain.engines.tally import TALLY
from mpitrain.world import Array, Work

KNOWN = "bBhHiIlLqQfdFD"
"""The characters of NumPy's types that every MPI has."""


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

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        return (PersistentMessages if kept else AdHocMessages)(self._comm, stage, tag)

    def test(self, requests: Requests) -> bool:
        return MPI.Request.Testall(requests)

    def wait(self, work: StagedWork) -> None:
        if self.progress.under_way == [work]:
            MPI.Request.Waitall(work.requests)
        else:
            self.wait_moving(work.requests, work)

    def wait_moving(self, requests: Requests, work: StagedWork | None = None) -> None:
        """Wait for requests of `work`, or of none, while the works under way move on."""
        while not MPI.Request.Testall(requests):
            self.progress.move_others(work)
            os.sched_yield()


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


def as_words(array: np.ndarray) -> np.ndarray:
    """The same memory as numbers that MPI knows: of their own type, or as unsigned integers."""
    return array if array.dtype.char in KNOWN else array.view(f"u{gcd(array.itemsize, 8)}")
