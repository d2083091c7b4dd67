"""Messages on one communicator: ad hoc, or persistent requests that are made once and freed at the end.

Messages travel as bytes, so that every type of number can; what is reduced is reduced on our side.
"""

import os
from collections.abc import Callable

import numpy as np

from mpitrain.engines.binding import Stage
from mpitrain.engines.staged import Messages, Requests, StagedWork
from mpitrain.engines.start import MPI
from mpitrain.world import Array, Work


class AdHocMessages:
    """The messages of a stage that runs once."""

    def __init__(self, comm: MPI.Intracomm, stage: Stage, tag: int):
        self._comm, self._stage, self._tag = comm, stage, tag

    def post(self) -> Requests:
        comm, tag = self._comm, self._tag
        return [comm.Irecv(as_bytes(array), peer, tag) for peer, array in self._stage.recv] + [
            comm.Isend(as_bytes(array), peer, tag) for peer, array in self._stage.send
        ]

    def free(self) -> None:
        pass


class PersistentMessages:
    """The messages of a plan's stage: `open` holds all of a world's that are not freed yet."""

    def __init__(self, comm: MPI.Intracomm, stage: Stage, tag: int, open: "set[PersistentMessages]"):
        self._requests: Requests = [comm.Recv_init(as_bytes(array), peer, tag) for peer, array in stage.recv]
        self._requests += [comm.Send_init(as_bytes(array), peer, tag) for peer, array in stage.send]
        self._open = open
        open.add(self)

    def post(self) -> Requests:
        MPI.Prequest.Startall(self._requests)
        return self._requests

    def free(self) -> None:
        for request in self._requests:
            request.Free()
        self._open.discard(self)


class MPIMessenger:
    """The `Messenger` of real ranks."""

    def __init__(self, comm: MPI.Intracomm, now: Callable[[], float]):
        self._comm, self.now = comm, now
        self._under_way: list[StagedWork] = []
        self._open: set[PersistentMessages] = set()

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        if kept:
            return PersistentMessages(self._comm, stage, tag, self._open)
        return AdHocMessages(self._comm, stage, tag)

    def begun(self, work: StagedWork) -> None:
        self._under_way.append(work)

    def ended(self, work: StagedWork) -> None:
        self._under_way.remove(work)

    def test(self, requests: Requests) -> bool:
        return MPI.Request.Testall(requests)

    def wait(self, work: StagedWork) -> None:
        """Alone, wait inside MPI; else move all works on, since other ranks may wait for another one first."""
        while not work.done:
            if len(self._under_way) == 1:
                MPI.Request.Waitall(work.requests)
                work.advance()
                continue
            for other in tuple(self._under_way):
                other.test()
            if not work.done:
                os.sched_yield()

    def free(self) -> None:
        for messages in tuple(self._open):
            messages.free()


class MessageWork(Work):
    """One message from the caller's hands."""

    def __init__(self, request: MPI.Request, buffer: Array):
        self._request, self._buffer = request, buffer

    def test(self) -> bool:
        return self._request.Test()

    def wait(self) -> Array:
        self._request.Wait()
        return self._buffer


def as_bytes(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint8)
