"""MPI's datatypes: how their elements lie in memory, and how to pack those that have gaps or another order."""

from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from mpitrain.engines.start import MPI


class Form(NamedTuple):
    """`size` bytes of data to an element, `extent` bytes from one to the next.

    `dtype`: NumPy's type over the whole extent, None for derived types, whose parts may lie anywhere. `dense`: bytes of
    memory are bytes of data, in order.
    """

    size: int
    extent: int
    dtype: np.dtype | None
    dense: bool


NO_FORM = Form(0, 0, None, dense=False)
"""Of the null type: an error, but mpi4py looks for others first."""

_FORMS: dict[int, Form] = {}
"""Of predefined types, by handle."""


def form_of(datatype: MPI.Datatype) -> Form:
    handle = datatype.handle
    form = _FORMS.get(handle)
    if form is None:
        if datatype == MPI.DATATYPE_NULL:
            return NO_FORM
        predefined = datatype.is_predefined
        size, extent = datatype.Get_size(), datatype.Get_extent()[1]
        dtype = _dtype(datatype, extent) if predefined else None
        form = Form(size, extent, dtype, predefined and size == extent)
        if predefined:
            _FORMS[handle] = form
    return form


def _dtype(datatype: MPI.Datatype, extent: int) -> np.dtype:
    """That of a number; plain bytes for pairs and characters."""
    found = np.dtype(datatype.typestr)
    return found if found.kind in "biufc" and found.itemsize == extent else np.dtype((np.void, max(extent, 1)))


def form_of_dtype(dtype: np.dtype) -> Form:
    """Of a number that this MPI does not know."""
    return Form(dtype.itemsize, dtype.itemsize, dtype, True)


_ALONE: list[MPI.Intracomm] = []
_PACKING = Lock()


def convert(source: list[Any], target: list[Any]) -> None:
    """Copy a message specification to another one, of which one is of PACKED bytes. Every type and BOTTOM will do."""
    with _PACKING:  # of several threads, one must not receive what another has sent
        if not _ALONE:
            _ALONE.append(MPI.COMM_SELF.Dup())
        _ALONE[0].Sendrecv(source, 0, 0, target, 0, 0)
