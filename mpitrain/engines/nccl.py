"""NCCL: its own collectives, and our schedules over its sends and receives, on the memory of devices.

A step of a schedule is one group of sends and receives, and what follows them is kernels, all in one stream: the host
gives a whole program to the device and waits for nothing.

    NVIDIA, NCCL User Guide, "Point-to-point communication" and "Group Calls"
"""

from types import ModuleType
from typing import Any

import numpy as np

from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.engines.binding import Stage
from mpitrain.engines.buffers import address
from mpitrain.engines.call import Call
from mpitrain.engines.device_work import DevicePlan
from mpitrain.engines.nccl_calls import OWN, Nccl, library_call, library_can
from mpitrain.engines.progress import Progress
from mpitrain.engines.staged import BoundStep, Requests
from mpitrain.engines.stream_world import StreamWorld
from mpitrain.event import Operation
from mpitrain.tuning import Choice
from mpitrain.world import World

NCCL = "nccl"

REASON = "NCCL's own, which knows the links between the devices and sums while it sends"

ID_BYTES = 128


def bindings() -> Any:
    """CuPy's module of NCCL. `ImportError` where CuPy or NCCL is missing."""
    from cupy.cuda import nccl

    return nccl


class GroupOfMessages:
    """A step's messages: one group, given to the stream."""

    def __init__(self, nccl: Nccl, stage: Stage):
        module, comm, stream = nccl
        self._module = module
        self._calls = [
            (call, (address(array), *nccl.amount(array), peer, stream.ptr))
            for call, messages in ((comm.send, stage.send), (comm.recv, stage.recv))
            for peer, array in messages
        ]
        self._arrays = stage.send, stage.recv  # kept alive

    def post(self) -> Requests:
        self._module.groupStart()
        for call, arguments in self._calls:
            call(*arguments)
        self._module.groupEnd()
        return []

    def free(self) -> None:
        """NCCL keeps nothing for it."""


class Groups:
    """The `Messenger` of a stream: the host waits for nothing."""

    def __init__(self, nccl: Nccl, progress: Progress):
        self._nccl, self.progress = nccl, progress

    def prepare(self, stage: Stage, tag: int, kept: bool) -> GroupOfMessages:
        return GroupOfMessages(self._nccl, stage)

    def test(self, requests: Requests) -> bool:
        return True

    def wait(self, requests: Requests, work: object) -> None:
        pass

    def pause(self, work: object) -> None:
        pass


class NcclWorld(StreamWorld):
    """`module` is CuPy's of NCCL, or one that behaves like it."""

    engine = NCCL

    def __init__(self, host: World, xp: ModuleType, module: Any):
        super().__init__(host, xp)
        comm = module.NcclCommunicator(self.size, agreed_id(host, module), self.rank)
        self.nccl = Nccl(module, comm, self.lane.stream)
        self.messenger = Groups(self.nccl, self.progress)

    def close(self) -> None:
        if not self.closed:
            self.settle()
            self.nccl.comm.destroy()
            super().close()

    def _choose(self, collective: str, nbytes: int, engine: str = "auto", library: bool = True, **call: bool) -> Choice:
        ours = super()._choose(collective, nbytes, engine, **call)
        if collective not in OWN or not library:
            return ours
        return Choice(collective, LIBRARY, NCCL, REASON, str(ours.way))

    def _library_can(self, call: Call) -> bool:
        return library_can(call)

    def _opaque(self, call: Call, operation: Operation, why: str) -> DevicePlan:
        steps = [BoundStep([library_call(self.nccl, call)], None, call.epilogue(self.arithmetic))]
        return DevicePlan(self.lane, steps, operation, why, call.result)


def agreed_id(host: World, module: Any) -> bytes | tuple[int, ...]:
    """By which the ranks' communicators find each other: rank 0 makes it. Bytes, or numbers in older CuPy."""
    numbers = np.zeros(1 + ID_BYTES, np.int64)
    if host.rank == 0:
        own = module.get_unique_id()
        numbers[0], numbers[1:] = isinstance(own, bytes), list(own)
    if host.size > 1:
        host.bcast(numbers)
    found = numbers[1:].tolist()
    return bytes(found) if numbers[0] else tuple(found)
