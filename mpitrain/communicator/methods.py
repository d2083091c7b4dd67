"""mpi4py's methods of one collective, each in three kinds: blocking, nonblocking, persistent.

Each describes the call, asks what runs it, and hands it to mpi4py's own method if that is the MPI library: with the
caller's own arguments, so that nothing is lost on the way.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from mpitrain.communicator.describe import Describe
from mpitrain.engines.start import MPI

Method = Callable[..., Any]

KNOWN = frozenset("?bBhHiIlLqQfdgFDG")
"""Characters of NumPy's types that every MPI library takes."""


COMMUTING = frozenset(map(id, (MPI.SUM, MPI.PROD, MPI.MIN, MPI.MAX, MPI.LAND, MPI.LOR, MPI.BAND, MPI.BOR)))
"""Operations of MPI, by identity: they are constants."""

NUMBERS = frozenset(map(id, (MPI.DOUBLE, MPI.FLOAT, MPI.INT, MPI.LONG, MPI.INT32_T, MPI.INT64_T, MPI.BYTE, MPI.C_BOOL)))
"""Datatypes whose elements lie close together, likewise."""


def size_of(spec: Any) -> int:
    """Bytes of the most usual message specifications, an array and [array, type]; -1 for others."""
    if type(spec) is np.ndarray:
        return spec.nbytes if spec.dtype.char in KNOWN else -1
    if type(spec) in (list, tuple) and len(spec) == 2 and type(spec[0]) is np.ndarray and id(spec[1]) in NUMBERS:
        return spec[0].nbytes
    return -1


def blocking(name: str, described: Describe, whole: int | None = None, op: int | None = None) -> Method:
    """Argument number `whole`, if there is one, is as long as the data of all ranks together; `op` the operation."""
    library = getattr(MPI.Intracomm, name)

    @wraps(library)
    def method(self: Any, *args: Any, **named: Any) -> None:
        known = whole is not None and len(args) > whole and size_of(args[whole]) in self.by_library[name]
        if known and (op is None or id(args[op] if len(args) > op else named.get("op", MPI.SUM)) in COMMUTING):
            return library(self, *args, **named)  # as found out before
        calls = self.calls or self.calls_now()
        if calls is None:
            return library(self, *args, **named)
        description = calls.described(described, args, named)
        if calls.by_library(description):
            if description.nbytes is not None and description.commutative and calls.world.check is None:
                self.by_library[name].add(description.nbytes)
            return library(self, *args, **named)
        return calls.run(description)

    return method


def nonblocking(name: str, described: Describe) -> Method:
    library = getattr(MPI.Intracomm, name)

    @wraps(library)
    def method(self: Any, *args: Any, **named: Any) -> MPI.Request:
        calls = self.calls or self.calls_now()
        if calls is not None:
            description = calls.described(described, args, named)
            if not calls.by_library(description, started=True):
                return calls.start(description)
        return library(self, *args, **named)

    return method


def persistent(name: str, described: Describe) -> Method:
    library = getattr(MPI.Intracomm, name)

    @wraps(library)
    def method(self: Any, *args: Any, **named: Any) -> MPI.Prequest:
        calls = self.calls or self.calls_now()
        if calls is not None:
            hints = isinstance(args[-1], MPI.Info) if args else False
            rest = {key: value for key, value in named.items() if key != "info"}
            description = calls.described(described, args[:-1] if hints else args, rest)
            if not calls.by_library(description, kept=True):
                return calls.keep(description)
        return library(self, *args, **named)

    return method
