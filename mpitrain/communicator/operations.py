"""MPI's operations, as our engines combine: by NumPy where it has the same, else by the library's Reduce_local.

So every operation works on every type on which it works in MPI: those of the user, MINLOC on pairs, XOR on integers.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from mpitrain.communicator.datatypes import Form, convert
from mpitrain.engines.reduction import Op
from mpitrain.engines.start import MPI

NUMPY = {MPI.SUM.handle: "sum", MPI.PROD.handle: "prod", MPI.MIN.handle: "min", MPI.MAX.handle: "max"}
"""What our engines have themselves."""

NAMES = {
    getattr(MPI, name).handle: name.lower()
    for name in ("SUM", "PROD", "MIN", "MAX", "LAND", "LOR", "LXOR", "BAND", "BOR", "BXOR", "MINLOC", "MAXLOC")
}


class Combination(NamedTuple):
    """An operation, and the type of the elements that it combines. `op` is a name where our engines have it."""

    op: str | Op
    dtype: np.dtype
    commutative: bool


_KNOWN: dict[tuple[int, int], Combination] = {}
"""Of predefined operations on predefined types, by handles."""


def combination(op: MPI.Op, datatype: MPI.Datatype | None, form: Form) -> Combination:
    """`MPI.Exception` where the library would raise it: the operation is null, or not for this type."""
    if datatype is None:
        return _on_numbers_of_ours(op, form)
    key = (op.handle, datatype.handle)
    known = _KNOWN.get(key)
    if known is None:
        if op == MPI.OP_NULL:
            raise MPI.Exception(MPI.ERR_OP)
        known = _combination(op, datatype, form)
        if op.is_predefined and form.dtype is not None:
            _KNOWN[key] = known
    return known


def _combination(op: MPI.Op, datatype: MPI.Datatype, form: Form) -> Combination:
    if op.is_predefined:
        elements = [np.zeros(max(form.extent, 1), np.uint8) for _ in range(2)]
        op.Reduce_local(*([element, 1, datatype] for element in elements))  # raises what the library has to say
    commutative = op.Is_commutative()
    name = NAMES.get(op.handle, "user")
    if form.dtype is None:
        packed = partial(_combine_packed, op, datatype, form)
        return Combination(Op(name, packed, commutative), np.dtype((np.void, max(form.size, 1))), commutative)
    if op.handle in NUMPY and form.dtype.kind in "iufc":
        return Combination(NUMPY[op.handle], form.dtype, True)
    return Combination(Op(name, partial(_combine, op, datatype, commutative), commutative), form.dtype, commutative)


def _on_numbers_of_ours(op: MPI.Op, form: Form) -> Combination:
    if op.handle not in NUMPY or form.dtype is None:
        raise MPI.Exception(MPI.ERR_OP)
    return Combination(NUMPY[op.handle], form.dtype, True)


def _combine(
    op: MPI.Op, datatype: MPI.Datatype, commutative: bool, left: np.ndarray, right: np.ndarray, out: np.ndarray
) -> None:
    """out = left (op) right; the library puts its result into the right one."""
    if commutative and out is left:
        left, right = right, left
    if out is not right:
        if np.may_share_memory(out, left):
            right = right.copy()
        else:
            out[...] = right
            right = out
    op.Reduce_local([left.view(np.uint8), out.size, datatype], [right.view(np.uint8), out.size, datatype])
    if right is not out:
        out[...] = right


def _combine_packed(
    op: MPI.Op, datatype: MPI.Datatype, form: Form, left: np.ndarray, right: np.ndarray, out: np.ndarray
) -> None:
    """The same for derived types: the operation sees elements as they lie in memory."""
    count = out.size
    if not count:
        return
    unpacked = [_unpacked(side, datatype, form) for side in (left, right)]
    op.Reduce_local(*([MPI.buffer.fromaddress(*place), count, datatype] for _, place in unpacked))
    convert([MPI.buffer.fromaddress(*unpacked[1][1]), count, datatype], [out.view(np.uint8), MPI.PACKED])


def _unpacked(packed: np.ndarray, datatype: MPI.Datatype, form: Form) -> tuple[np.ndarray, tuple[int, int]]:
    """Room that holds the elements, and the (address, bytes) of their origin, which need not lie in it."""
    lowest, span = datatype.Get_true_extent()
    room = np.zeros(span + (packed.size - 1) * abs(form.extent), np.uint8)
    place = (room.ctypes.data - lowest, room.nbytes)
    convert([packed.view(np.uint8), MPI.PACKED], [MPI.buffer.fromaddress(*place), packed.size, datatype])
    return room, place
