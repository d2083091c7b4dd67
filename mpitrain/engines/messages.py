"""Messages on one communicator: ad hoc, or persistent requests that are made once and freed at the end.

Messages travel as bytes, so that every type of number can; what is reduced is reduced on our side.
"""

import os
from collections.abc import Callable

import numpy as np

from mpitrain.engines.binding import Stage
from mpitrain.engines.staged import Begin, Requests, StagedWork
from mpitrain.engines.start import MPI
from mpitrain.world import Array, Work


class MPIMessenger:
    """The `Messenger` of real ranks."""

    def __init__(self, comm: MPI.Intracomm, now: Callable[[], float]):
        self._comm, self.now = comm, now
        self._under_way: list[StagedWork] = []
        self._persistent: list[MPI.Prequest] = []

    def prepare(self, stage: Stage, tag: int, kept: bool) -> Begin:
        comm = self._comm
        send = [(as_bytes(array), peer, tag) for peer, array in stage.send]
        recv = [(as_bytes(array), peer, tag) for peer, array in stage.recv]
        if not kept:
            return lambda: (
                [comm.Irecv(array, peer, tag) for array, peer, tag in recv]
                + [comm.Isend(array, peer, tag) for array, peer, tag in send]
            )
        requests = [comm.Recv_init(*message) for message in recv] + [comm.Send_init(*message) for message in send]
        self._persistent += requests

        def begin() -> Requests:
            MPI.Prequest.Startall(requests)
            return requests

        return begin

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
        for request in self._persistent:
            request.Free()
        self._persistent = []


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
