"""What is said to NCCL: types, operations, and its own collectives in place of ours.

    allreduce       ncclAllReduce
    reduce_scatter  ncclReduceScatter for blocks of one length, else a group of ncclReduce, one a block
    allgather       ncclAllGather     for blocks of one length, else a group of ncclBroadcast, one a block
    bcast, reduce   ncclBroadcast, ncclReduce

All in place, as ours are (NCCL user guide, "In-place Operations" and "Group Calls").
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.actions import Action
from mpitrain.engines.buffers import address
from mpitrain.engines.call import Call
from mpitrain.engines.layout import cuts_of
from mpitrain.engines.reduction import OPS

OWN = ("allreduce", "reduce_scatter", "allgather", "bcast", "reduce")
"""The collectives that NCCL has."""

TYPES = {
    "int8": "NCCL_INT8",
    "uint8": "NCCL_UINT8",
    "int32": "NCCL_INT32",
    "uint32": "NCCL_UINT32",
    "int64": "NCCL_INT64",
    "uint64": "NCCL_UINT64",
    "float16": "NCCL_FLOAT16",
    "bfloat16": "NCCL_BFLOAT16",
    "float32": "NCCL_FLOAT32",
    "float64": "NCCL_FLOAT64",
}

OPERATIONS = {"sum": "NCCL_SUM", "mean": "NCCL_SUM", "prod": "NCCL_PROD", "min": "NCCL_MIN", "max": "NCCL_MAX"}
"""A mean is a sum that our kernel divides, as everywhere else, so that it rounds alike."""


class Nccl(NamedTuple):
    """NCCL's module, our communicator, and the stream in which everything goes."""

    module: Any
    comm: Any
    stream: Any

    def amount(self, array: Any) -> tuple[int, int]:
        """(count, type) of what is only moved: what NCCL has no type for goes as bytes."""
        name = TYPES.get(array.dtype.name)
        return (array.nbytes, self.module.NCCL_UINT8) if name is None else (array.size, getattr(self.module, name))


def library_can(call: Call) -> bool:
    """Whether NCCL has the collective, the operation and the type."""
    if call.collective not in OWN:
        return False
    return not call.reduces or (call.op is OPS.get(call.op.name) and call.dtype.name in TYPES)


def library_call(nccl: Nccl, call: Call) -> Action:
    """NCCL's own collective; `ScheduleError` where it has none."""
    if not library_can(call):
        if call.collective not in OWN:
            raise ScheduleError(f"NCCL has no {call.collective}: choose one of our algorithms")
        raise ScheduleError(
            f"NCCL cannot reduce {call.dtype.name} by op {call.op.name!r}: choose one of our algorithms"
        )
    if call.count == 0:
        return _nothing
    calls = list(_calls(nccl, call))
    return calls[0] if len(calls) == 1 else partial(_group, nccl.module, calls)


def _calls(nccl: Nccl, call: Call) -> Iterator[Action]:
    """To be made in one group."""
    module, comm, stream = nccl.module, nccl.comm, nccl.stream.ptr
    whole = address(call.array)
    count, kind = nccl.amount(call.array)
    op = (getattr(module, OPERATIONS[call.op.name]),) if call.reduces else ()
    if call.collective == "allreduce":
        yield partial(comm.allReduce, whole, whole, count, kind, *op, stream)
    elif call.collective == "bcast":
        yield partial(comm.broadcast, whole, whole, count, kind, call.root, stream)
    elif call.collective == "reduce":
        yield partial(comm.reduce, whole, whole, count, kind, *op, call.root, stream)
    elif len(set(call.counts)) == 1:
        own, (each, _) = address(call.block), nccl.amount(call.block)
        if call.collective == "reduce_scatter":
            yield partial(comm.reduceScatter, whole, own, each, kind, *op, stream)
        else:
            yield partial(comm.allGather, own, whole, each, kind, stream)
    else:
        cuts = cuts_of(call.counts)
        for rank in range(call.size):
            block = call.array[cuts[rank] : cuts[rank + 1]]
            if block.size == 0:
                continue
            start, (length, _) = address(block), nccl.amount(block)
            if call.collective == "reduce_scatter":
                yield partial(comm.reduce, start, start, length, kind, *op, rank, stream)
            else:
                yield partial(comm.broadcast, start, start, length, kind, rank, stream)


def _group(module: Any, calls: list[Action]) -> None:
    module.groupStart()
    for call in calls:
        call()
    module.groupEnd()


def _nothing() -> None:
    """No data, no call: all ranks know."""
