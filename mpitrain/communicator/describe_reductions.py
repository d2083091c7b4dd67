"""The same for collectives that combine: out of place they copy what is sent to where the result will be."""

from dataclasses import replace
from functools import partial
from itertools import accumulate
from operator import index
from typing import Any

import numpy as np

from mpitrain.communicator.describe import Bound, Description, Place, check_root
from mpitrain.communicator.messages import Simple, in_place, simple
from mpitrain.communicator.operations import combination
from mpitrain.communicator.region import Action
from mpitrain.engines.start import MPI


def allreduce(place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM) -> Description:
    return _on_all("allreduce", place, sendbuf, recvbuf, op)


def scan(place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM) -> Description:
    return _on_all("scan", place, sendbuf, recvbuf, op)


def exscan(place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM) -> Description:
    return _on_all("exscan", place, sendbuf, recvbuf, op)


def reduce(place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM, root: int = 0) -> Description:
    check_root(place, root)
    if place.rank == root:
        return _on_all("reduce", place, sendbuf, recvbuf, op, root)
    given = simple(sendbuf, False)
    combined = combination(op, given.datatype, given.form)

    def bind() -> Bound:
        array, before, _ = given.region().elements(combined.dtype, True, False, writeable=True)
        return Bound(array, None, before)

    return _description("reduce", given, given.nbytes, bind, op, root)


def reduce_scatter(
    place: Place, sendbuf: Any, recvbuf: Any, recvcounts: Any = None, op: MPI.Op = MPI.SUM
) -> Description:
    received, here = simple(recvbuf, True), in_place(sendbuf)
    given = received if here else simple(sendbuf, False)
    if recvcounts is None and not here:
        recvcounts = place.comm.allgather(received.count)
    counts = [index(count) for count in recvcounts]
    if len(counts) != place.size:
        raise ValueError(f"expecting {place.size} items, got {len(counts)}")
    _check_types(given, received)
    if given.count != sum(counts):
        what = "receive" if here else "send"
        raise ValueError(f"mismatch in {what} count {given.count} and sum(counts) {sum(counts)}")
    if not here and received.count != counts[place.rank]:
        raise ValueError(f"mismatch in receive count {received.count} and counts[{place.rank}] {counts[place.rank]}")
    return _reduce_scatter(place, given, received, counts, op)


def reduce_scatter_block(place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM) -> Description:
    here = in_place(sendbuf)
    received = simple(recvbuf, True, place.size if here else 0)
    given = received if here else simple(sendbuf, False, place.size)
    _check_alike(given, received)
    whole = replace(given, count=given.count * place.size)
    return _reduce_scatter(place, whole, received, [received.count] * place.size, op)


def _on_all(collective: str, place: Place, sendbuf: Any, recvbuf: Any, op: MPI.Op, root: int = 0) -> Description:
    received = simple(recvbuf, True)
    given = None if in_place(sendbuf) else simple(sendbuf, False)
    if given is not None:
        _check_alike(given, received)
    combined = combination(op, received.datatype, received.form)
    nothing_comes = collective == "exscan" and place.rank == 0

    def bind() -> Bound:
        if nothing_comes:  # the caller's memory is left as it is
            source = (given or received).region().elements(combined.dtype, True, False)
            copy = np.empty_like(source.array)
            return Bound(copy, None, (*source.before, partial(np.copyto, copy, source.array)))
        target = received.region().elements(combined.dtype, given is None, True)
        if given is None:
            return Bound(target.array, None, target.before, target.after)
        source = given.region().elements(combined.dtype, True, False)
        before: list[Action] = [*target.before, *source.before, partial(np.copyto, target.array, source.array)]
        return Bound(target.array, None, before, target.after)

    return _description(collective, received, received.nbytes, bind, op, root)


def _reduce_scatter(place: Place, given: Simple, received: Simple, counts: list[int], op: MPI.Op) -> Description:
    """In a copy, since the caller's other blocks stay as they are."""
    combined = combination(op, given.datatype, given.form)
    start = list(accumulate(counts, initial=0))[place.rank]
    own = replace(received, count=counts[place.rank])

    def bind() -> Bound:
        source = given.region().elements(combined.dtype, True, False)
        target = own.region().elements(combined.dtype, False, True)
        copy = np.empty_like(source.array)
        result = copy[start : start + counts[place.rank]]
        before: list[Action] = [*source.before, *target.before, partial(np.copyto, copy, source.array)]
        return Bound(copy, None, before, [partial(np.copyto, target.array, result), *target.after])

    description = _description("reduce_scatter", given, given.nbytes, bind, op, 0)
    description.counts = counts
    return description


def _description(collective: str, message: Simple, nbytes: int, bind: Any, op: MPI.Op, root: int) -> Description:
    combined = combination(op, message.datatype, message.form)
    known = message.datatype is not None
    return Description(collective, nbytes, bind, root, combination=combined, library=known)


def _check_types(given: Simple, received: Simple) -> None:
    if given.datatype != received.datatype or given.form != received.form:
        raise ValueError("mismatch in send and receive MPI datatypes")


def _check_alike(given: Simple, received: Simple) -> None:
    _check_types(given, received)
    if given.count != received.count:
        raise ValueError(f"mismatch in send count {given.count} and receive count {received.count}")
