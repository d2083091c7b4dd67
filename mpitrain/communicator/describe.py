"""What one rank passes to a collective of MPI, in the words of our engines.

A description holds what all ranks know alike, from which they choose; `bind` then makes the arrays, and says what to
copy before and after. Here are those that move data; `describe_reductions` has the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any, NamedTuple

import numpy as np

from mpitrain.communicator.messages import in_place, simple, vector
from mpitrain.communicator.operations import Combination
from mpitrain.communicator.region import Action, Region
from mpitrain.engines.start import MPI


class Place(NamedTuple):
    """Who calls, and on which communicator, as mpi4py's own class."""

    rank: int
    size: int
    comm: MPI.Intracomm


class Bound(NamedTuple):
    """The arrays of a world's call, and what to do before and after it."""

    buffer: np.ndarray | None
    received: np.ndarray | None = None
    before: Sequence[Action] = ()
    after: Sequence[Action] = ()


@dataclass(slots=True)
class Description:
    """A call.

    `nbytes`: the size of the whole, alike on all ranks; None where blocks differ and no rank, or the root alone, knows
    them all. `counts` are the blocks that this rank knows: of all ranks, or None. `library`: whether the MPI library
    can do it too.
    """

    collective: str
    nbytes: int | None
    bind: Callable[[], Bound]
    root: int = 0
    counts: list[int] | None = None
    received_counts: list[int] | None = None
    combination: Combination | None = None
    library: bool = True

    @property
    def commutative(self) -> bool:
        return self.combination is None or self.combination.commutative


Describe = Callable[..., Description]
"""Called with a `Place` and the arguments of mpi4py's method."""


def barrier(place: Place) -> Description:
    return Description("barrier", 0, lambda: Bound(None))


def bcast(place: Place, buf: Any, root: int = 0) -> Description:
    check_root(place, root)
    written = place.rank != root
    region = simple(buf, written).region()

    def bind() -> Bound:
        array, before, after = region.worked(not written, written, writeable=True)
        return Bound(array, None, before, after)

    return Description("bcast", region.nbytes, bind, root, library=region.datatype is not None)


def gather(place: Place, sendbuf: Any, recvbuf: Any, root: int = 0) -> Description:
    return _gather(place, sendbuf, recvbuf, root, unequal=False)


def gatherv(place: Place, sendbuf: Any, recvbuf: Any, root: int = 0) -> Description:
    return _gather(place, sendbuf, recvbuf, root, unequal=True)


def scatter(place: Place, sendbuf: Any, recvbuf: Any, root: int = 0) -> Description:
    return _scatter(place, sendbuf, recvbuf, root, unequal=False)


def scatterv(place: Place, sendbuf: Any, recvbuf: Any, root: int = 0) -> Description:
    return _scatter(place, sendbuf, recvbuf, root, unequal=True)


def allgather(place: Place, sendbuf: Any, recvbuf: Any) -> Description:
    return _allgather(place, sendbuf, recvbuf, unequal=False)


def allgatherv(place: Place, sendbuf: Any, recvbuf: Any) -> Description:
    return _allgather(place, sendbuf, recvbuf, unequal=True)


def alltoall(place: Place, sendbuf: Any, recvbuf: Any) -> Description:
    return _alltoall(place, sendbuf, recvbuf, unequal=False)


def alltoallv(place: Place, sendbuf: Any, recvbuf: Any) -> Description:
    return _alltoall(place, sendbuf, recvbuf, unequal=True)


def check_root(place: Place, root: int) -> None:
    if not 0 <= index(root) < place.size:
        raise MPI.Exception(MPI.ERR_ROOT)


def _gather(place: Place, sendbuf: Any, recvbuf: Any, root: int, unequal: bool) -> Description:
    check_root(place, root)
    whole = _blocks(recvbuf, True, place, unequal) if place.rank == root else None
    own = None if whole is not None and in_place(sendbuf) else simple(sendbuf, False).region()
    mine = _own_bytes(own, whole, place)

    def bind() -> Bound:
        if whole is None or own is None:
            array, before, after = (own or whole).worked(True, whole is not None)  # type: ignore[union-attr]
            return (
                Bound(array, None, before, after)
                if whole is None
                else Bound(_own(array, whole, place), array, before, after)
            )
        block, target = own.worked(True, False), whole.worked(False, True)
        return Bound(block.array, target.array, [*block.before, *target.before], target.after)

    known = whole.sizes if unequal and whole is not None else None
    return Description("gather", None if unequal else mine * place.size, bind, root, known, library=_both(own, whole))


def _scatter(place: Place, sendbuf: Any, recvbuf: Any, root: int, unequal: bool) -> Description:
    check_root(place, root)
    whole = _blocks(sendbuf, False, place, unequal) if place.rank == root else None
    own = None if whole is not None and in_place(recvbuf) else simple(recvbuf, True).region()
    mine = _own_bytes(own, whole, place)

    def bind() -> Bound:
        block = None if own is None else own.worked(False, True)
        if whole is None:
            assert block is not None
            return Bound(None, block.array, block.before, block.after)
        given = whole.worked(True, False, writeable=block is None)
        if block is None:
            return Bound(given.array, _own(given.array, whole, place), given.before)
        return Bound(given.array, block.array, [*given.before, *block.before], block.after)

    known = whole.sizes if unequal and whole is not None else None
    return Description("scatter", None if unequal else mine * place.size, bind, root, known, library=_both(own, whole))


def _allgather(place: Place, sendbuf: Any, recvbuf: Any, unequal: bool) -> Description:
    whole = _blocks(recvbuf, True, place, unequal)
    own = None if in_place(sendbuf) else simple(sendbuf, False).region()
    _own_bytes(own, whole, place)

    def bind() -> Bound:
        array, before, after = whole.worked(own is None, True)
        if own is not None:
            block = own.worked(True, False)
            before = [*before, *block.before, partial(np.copyto, _own(array, whole, place), block.array)]
        return Bound(array, None, before, after)

    return Description("allgather", whole.nbytes, bind, counts=whole.sizes, library=_both(own, whole))


def _alltoall(place: Place, sendbuf: Any, recvbuf: Any, unequal: bool) -> Description:
    gotten = _blocks(recvbuf, True, place, unequal)
    given = None if in_place(sendbuf) else _blocks(sendbuf, False, place, unequal)
    sizes = gotten.sizes if given is None else given.sizes
    if sizes[place.rank] != gotten.sizes[place.rank]:
        raise MPI.Exception(MPI.ERR_TRUNCATE)

    def bind() -> Bound:
        target = gotten.worked(given is None, True)
        if given is None:
            copy = np.empty_like(target.array)
            return Bound(copy, target.array, [*target.before, partial(np.copyto, copy, target.array)], target.after)
        source = given.worked(True, False)
        return Bound(source.array, target.array, [*source.before, *target.before], target.after)

    library = _both(given, gotten)
    if not unequal:
        return Description("alltoall", gotten.nbytes, bind, library=library)
    return Description("alltoall", None, bind, counts=sizes, received_counts=gotten.sizes, library=library)


def _blocks(spec: Any, written: bool, place: Place, unequal: bool) -> Region:
    """One piece a rank."""
    if unequal:
        return vector(spec, written, place.size)
    one = simple(spec, written, place.size)
    pieces = [(one.start + rank * one.count * one.form.extent, one.count) for rank in range(place.size)]
    return Region(one.memory, one.datatype, one.form, pieces)


def _own_bytes(own: Region | None, whole: Region | None, place: Place) -> int:
    """The size of this rank's block; a block that would not fit is refused."""
    if whole is None or own is None:
        return own.nbytes if own is not None else whole.sizes[place.rank]  # type: ignore[union-attr]
    if own.nbytes != whole.sizes[place.rank]:
        raise MPI.Exception(MPI.ERR_TRUNCATE)
    return own.nbytes


def _own(array: np.ndarray, whole: Region, place: Place) -> np.ndarray:
    """This rank's block in the bytes of all."""
    start = sum(whole.sizes[: place.rank])
    return array[start : start + whole.sizes[place.rank]]


def _both(*regions: Region | None) -> bool:
    """Whether the MPI library knows the types."""
    return all(region is None or region.datatype is not None for region in regions)
