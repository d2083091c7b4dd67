"""Messages on one communicator: ad hoc, or persistent requests that are made once and freed at the end.

Messages travel as plain words, so that every type of number can; what is reduced is reduced on our side.
"""

import os
from collections.abc import Callable

import numpy as np

from mpitrain.engines.binding import Stage
from mpitrain.engines.staged import Messages, Observer, Requests, StagedWork
from mpitrain.engines.start import MPI
from mpitrain.world import Array, Work


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

    def __init__(self, comm: MPI.Intracomm, now: Callable[[], float]):
        self._comm, self.now = comm, now
        self._under_way: list[StagedWork] = []
        self.observers: list[Observer] = []

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Messages:
        return (PersistentMessages if kept else AdHocMessages)(self._comm, stage, tag)

    def begun(self, work: StagedWork) -> None:
        self._under_way.append(work)

    def ended(self, work: StagedWork) -> None:
        self._under_way.remove(work)

    def test(self, requests: Requests) -> bool:
        return MPI.Request.Testall(requests)

    def wait(self, requests: Requests) -> None:
        others = [work for work in self._under_way if work.requests is not requests]
        if not others:
            MPI.Request.Waitall(requests)
        while not MPI.Request.Testall(requests):
            for work in others:
                work.move_on()
            os.sched_yield()

    def wait_for_all(self) -> None:
        """Return once nothing is under way: before a call that blocks inside MPI, where nothing of ours moves on.

        All ranks started the same works before that call, and so none waits here for one that will never come.
        """
        for work in tuple(self._under_way):
            work.wait()


class MessageWork(Work):
    """One message from the caller's hands."""

    def __init__(self, messenger: MPIMessenger, request: MPI.Request, buffer: Array):
        self._messenger, self._request, self._buffer = messenger, request, buffer

    def test(self) -> bool:
        return self._request.Test()

    def wait(self) -> Array:
        self._messenger.wait([self._request])
        return self._buffer


def as_words(array: np.ndarray) -> np.ndarray:
    """The same memory as unsigned integers, which MPI can count up to 2^31 of, whatever their size."""
    return array.view(f"u{min(array.itemsize, 8)}")
