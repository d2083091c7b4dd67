"""A communicator of MPI whose collectives run our schedules: mpi4py programs run on them by changing one line.

    comm = mpitrain.Communicator(MPI.COMM_WORLD)

messages, memory, datatypes, device   what mpi4py's arguments mean   region   the caller's memory, as flat arrays
describe, describe_reductions         a call in our engines' words   choices  who makes it: an algorithm, the library
calls, requests, methods              make it: at once, in the background, many times
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from mpitrain.communicator import describe, describe_reductions
from mpitrain.communicator.calls import Calls
from mpitrain.communicator.choices import Algorithms, algorithms_of
from mpitrain.communicator.methods import blocking, nonblocking, persistent
from mpitrain.engines.start import MPI
from mpitrain.world import AlgorithmLike


class Communicator(MPI.Intracomm):
    """The communicator `comm` with our collectives. Collective to make, duplicate, split and free.

    To MPI it is the same communicator, with the same messages. `algorithm`: a name of the catalogue, for every
    collective that has it; or a name for each collective, such as `{"allreduce": "ring", "bcast": "library"}`. What is
    not named is chosen by size, as `explain` tells. `engine`: "mpi" for messages, "shared" for memory that the ranks of
    one node share, or "auto".

    `ScheduleError` where an algorithm that was named cannot do a call: another one is never taken instead.
    """

    calls: Calls | None = None
    by_library: Mapping[str, set[int]]
    _to_begin = False
    _settings: tuple[dict[str, AlgorithmLike], str] = {}, "auto"

    def __new__(
        cls, comm: MPI.Intracomm | None = None, algorithm: Algorithms = "auto", engine: str = "auto"
    ) -> "Communicator":
        made = super().__new__(cls, comm)
        made.by_library = defaultdict(set)
        return made

    def __init__(self, comm: MPI.Intracomm | None = None, algorithm: Algorithms = "auto", engine: str = "auto"):
        if engine not in ("auto", "mpi", "shared"):
            raise ValueError(f"engine {engine!r}: expected auto, mpi or shared")
        self._begin(algorithms_of(algorithm), engine)

    def _begin(self, algorithms: dict[str, AlgorithmLike], engine: str) -> "Communicator":
        self._settings = algorithms, engine
        if self != MPI.COMM_NULL:
            self.calls = Calls(MPI.Intracomm(self), algorithms, engine)
        return self

    def calls_now(self) -> Calls | None:
        """None if it is freed, or was null from the beginning: the library knows the error."""
        if self._to_begin and self != MPI.COMM_NULL:
            self._to_begin = False
            self._begin(*self._settings)
        return self.calls

    def explain(self, collective: str | None = None, nbytes: int = 0) -> Any:
        """What runs, for which sizes, and why, as text; of one collective and size, as a `Choice`.

        `nbytes` is the size of the whole, such as that of all blocks of an Allgather.
        """
        if self.calls is None:
            raise MPI.Exception(MPI.ERR_COMM)
        if collective is None:
            return "\n".join(self.calls.choices.told())
        return self.calls.choices.explained(collective, nbytes)

    def empty(self, count: int, dtype: Any = "float32") -> np.ndarray:
        """An array where blocking and persistent calls work fastest: on one node, in memory that all ranks share.

        Collective; the memory is given back when the communicator is freed.
        """
        if self.calls is None:
            raise MPI.Exception(MPI.ERR_COMM)
        self.by_library = defaultdict(set)
        return self.calls.empty(count, dtype)

    Barrier = blocking("Barrier", describe.barrier)
    Bcast = blocking("Bcast", describe.bcast, whole=0)
    Gather = blocking("Gather", describe.gather)
    Gatherv = blocking("Gatherv", describe.gatherv)
    Scatter = blocking("Scatter", describe.scatter)
    Scatterv = blocking("Scatterv", describe.scatterv)
    Allgather = blocking("Allgather", describe.allgather, whole=1)
    Allgatherv = blocking("Allgatherv", describe.allgatherv)
    Alltoall = blocking("Alltoall", describe.alltoall, whole=1)
    Alltoallv = blocking("Alltoallv", describe.alltoallv)
    Reduce = blocking("Reduce", describe_reductions.reduce, whole=0, op=2)
    Allreduce = blocking("Allreduce", describe_reductions.allreduce, whole=1, op=2)
    Reduce_scatter = blocking("Reduce_scatter", describe_reductions.reduce_scatter, whole=0, op=3)
    Reduce_scatter_block = blocking("Reduce_scatter_block", describe_reductions.reduce_scatter_block, whole=0, op=2)
    Scan = blocking("Scan", describe_reductions.scan, whole=1, op=2)
    Exscan = blocking("Exscan", describe_reductions.exscan, whole=1, op=2)

    Ibarrier = nonblocking("Ibarrier", describe.barrier)
    Ibcast = nonblocking("Ibcast", describe.bcast)
    Igather = nonblocking("Igather", describe.gather)
    Igatherv = nonblocking("Igatherv", describe.gatherv)
    Iscatter = nonblocking("Iscatter", describe.scatter)
    Iscatterv = nonblocking("Iscatterv", describe.scatterv)
    Iallgather = nonblocking("Iallgather", describe.allgather)
    Iallgatherv = nonblocking("Iallgatherv", describe.allgatherv)
    Ialltoall = nonblocking("Ialltoall", describe.alltoall)
    Ialltoallv = nonblocking("Ialltoallv", describe.alltoallv)
    Ireduce = nonblocking("Ireduce", describe_reductions.reduce)
    Iallreduce = nonblocking("Iallreduce", describe_reductions.allreduce)
    Ireduce_scatter = nonblocking("Ireduce_scatter", describe_reductions.reduce_scatter)
    Ireduce_scatter_block = nonblocking("Ireduce_scatter_block", describe_reductions.reduce_scatter_block)
    Iscan = nonblocking("Iscan", describe_reductions.scan)
    Iexscan = nonblocking("Iexscan", describe_reductions.exscan)

    Barrier_init = persistent("Barrier_init", describe.barrier)
    Bcast_init = persistent("Bcast_init", describe.bcast)
    Gather_init = persistent("Gather_init", describe.gather)
    Gatherv_init = persistent("Gatherv_init", describe.gatherv)
    Scatter_init = persistent("Scatter_init", describe.scatter)
    Scatterv_init = persistent("Scatterv_init", describe.scatterv)
    Allgather_init = persistent("Allgather_init", describe.allgather)
    Allgatherv_init = persistent("Allgatherv_init", describe.allgatherv)
    Alltoall_init = persistent("Alltoall_init", describe.alltoall)
    Alltoallv_init = persistent("Alltoallv_init", describe.alltoallv)
    Reduce_init = persistent("Reduce_init", describe_reductions.reduce)
    Allreduce_init = persistent("Allreduce_init", describe_reductions.allreduce)
    Reduce_scatter_init = persistent("Reduce_scatter_init", describe_reductions.reduce_scatter)
    Reduce_scatter_block_init = persistent("Reduce_scatter_block_init", describe_reductions.reduce_scatter_block)
    Scan_init = persistent("Scan_init", describe_reductions.scan)
    Exscan_init = persistent("Exscan_init", describe_reductions.exscan)

    def Dup(self, info: MPI.Info | None = None) -> "Communicator":
        return super().Dup(info)._begin(*self._settings)

    def Dup_with_info(self, info: MPI.Info) -> "Communicator":
        return super().Dup_with_info(info)._begin(*self._settings)

    def Clone(self) -> "Communicator":
        return super().Clone()._begin(*self._settings)

    def Idup(self, info: MPI.Info | None = None) -> tuple["Communicator", MPI.Request]:
        """The first collective on the duplicate makes it ours; it waits for the other ranks then."""
        return self._later(super().Idup(info))

    def Idup_with_info(self, info: MPI.Info) -> tuple["Communicator", MPI.Request]:
        return self._later(super().Idup_with_info(info))

    def _later(self, made: Any) -> tuple["Communicator", MPI.Request]:
        comm, request = made
        comm._settings, comm._to_begin = self._settings, True
        return comm, request

    def Split(self, color: int = 0, key: int = 0) -> MPI.Intracomm:
        """`COMM_NULL` for ranks of no color, as below for ranks that are not in the group."""
        return self._alike(super().Split(color, key))

    def Split_type(self, split_type: int, key: int = 0, info: MPI.Info = MPI.INFO_NULL) -> MPI.Intracomm:
        return self._alike(super().Split_type(split_type, key, info))

    def Create(self, group: MPI.Group) -> MPI.Intracomm:
        return self._alike(super().Create(group))

    def Create_group(self, group: MPI.Group, tag: int = 0) -> MPI.Intracomm:
        return self._alike(super().Create_group(group, tag))

    def _alike(self, comm: Any) -> MPI.Intracomm:
        if comm == MPI.COMM_NULL:
            return comm
        return type(self).__new__(type(self), comm)._begin(*self._settings)

    def Free(self) -> None:
        super().Free()
        self._end()

    def Disconnect(self) -> None:
        super().Disconnect()
        self._end()

    def free(self) -> None:
        """Free it, unless it is one that MPI has made, or freed already."""
        if self.handle not in (MPI.COMM_NULL.handle, MPI.COMM_WORLD.handle, MPI.COMM_SELF.handle):
            self.Free()

    def _end(self) -> None:
        calls, self.calls = self.calls, None
        if calls is not None:
            calls.close()
