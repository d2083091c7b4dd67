"""Open MPI's own algorithms, each by force: its coll/tuned lets a program set its variables by MPI_T, and reads them
whenever a communicator is made. mpi4py has no MPI_T, so the library is called by ctypes.

    MPI: A Message-Passing Interface Standard, version 4.1, chapter 15 (the MPI tool information interface)
"""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpitrain.engines.library import library_version
from mpitrain.engines.start import MPI
from mpitrain.errors import UsageError
from mpitrain.tuning.openmpi_rules import FIXED, LibraryAlgorithm

SEGMENTS = (1 << 15, 1 << 17)
"""Bytes. Algorithms that cut their data do it by these, beside not at all."""

SEGMENTED = ("segmented_ring", "chain", "pipeline", "split_binary_tree", "binary_tree", "binary", "binomial")


def check_library() -> None:
    """`UsageError` for a library other than Open MPI, or one without coll/tuned."""
    if not library_version().startswith("Open MPI"):
        raise UsageError(f"--export openmpi: expected Open MPI, found {library_version()}: run it under Open MPI")
    with _tool() as tool:
        if tool.index("coll_tuned_use_dynamic_rules") is None:
            raise UsageError("--export openmpi: expected an Open MPI with coll/tuned, found none: permit OMPI_MCA_coll")


@contextmanager
def forced_algorithms(collective: str) -> Iterator[dict[str, MPI.Intracomm]]:
    """For each algorithm of a collective, segments included, a duplicate of COMM_WORLD that takes it. Collective.

    The first is the library's own decision. Names are `LibraryAlgorithm`s as text.
    """
    variable = f"coll_tuned_{collective}_algorithm"
    comms: dict[str, MPI.Intracomm] = {}
    with _tool() as tool:
        tool.write("coll_tuned_use_dynamic_rules", 1)
        try:
            for number, name in tool.choices(variable).items():
                for segment in (0, *(SEGMENTS if name in SEGMENTED else ())):
                    algorithm = FIXED if number == 0 else LibraryAlgorithm(number, name, segment)
                    tool.write(variable, number)
                    tool.write(f"{variable}_segmentsize", segment)
                    comms[str(algorithm)] = MPI.COMM_WORLD.Dup()
        finally:
            for name in (variable, f"{variable}_segmentsize", "coll_tuned_use_dynamic_rules"):
                tool.write(name, 0)
    try:
        yield comms
    finally:
        for comm in comms.values():
            comm.Free()


class _Tool:
    """MPI_T as far as it is needed here: whole numbers, by name."""

    def __init__(self, library: ctypes.CDLL):
        self._library = library

    def index(self, name: str) -> int | None:
        index = ctypes.c_int()
        return None if self._library.MPI_T_cvar_get_index(name.encode(), ctypes.byref(index)) else index.value

    def write(self, name: str, value: int) -> None:
        """Variables that the library does not have are left alone."""
        index = self.index(name)
        if index is None:
            return
        handle, count, number = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int(value)
        self._call("MPI_T_cvar_handle_alloc", index, None, ctypes.byref(handle), ctypes.byref(count))
        try:
            self._call("MPI_T_cvar_write", handle, ctypes.byref(number))
        finally:
            self._call("MPI_T_cvar_handle_free", ctypes.byref(handle))

    def choices(self, name: str) -> dict[int, str]:
        """The numbers that a variable may have, and their names."""
        index = self.index(name)
        if index is None:
            return {}
        short, kind, ignored = ctypes.c_int(0), ctypes.c_void_p(), [ctypes.c_int() for _ in range(5)]
        verbosity, datatype, length, binding, scope = map(ctypes.byref, ignored)
        self._call(
            "MPI_T_cvar_get_info", index, None, ctypes.byref(short), verbosity, datatype, ctypes.byref(kind),
            None, length, binding, scope,
        )  # fmt: skip
        count = ctypes.c_int()
        self._call("MPI_T_enum_get_info", kind, ctypes.byref(count), None, ctypes.byref(ctypes.c_int(0)))
        found = {}
        for item in range(count.value):
            number, text, room = ctypes.c_int(), ctypes.create_string_buffer(128), ctypes.c_int(128)
            self._call("MPI_T_enum_get_item", kind, item, ctypes.byref(number), text, ctypes.byref(room))
            found[number.value] = re.sub(r"\W", "_", text.value.decode())
        return found

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code != MPI.SUCCESS:
            raise UsageError(f"--export openmpi: this Open MPI refuses {name}, error {code}: take another version")


@contextmanager
def _tool() -> Iterator[_Tool]:
    library = ctypes.CDLL(_library_file())
    library.MPI_T_init_thread(MPI.THREAD_SINGLE, ctypes.byref(ctypes.c_int()))
    try:
        yield _Tool(library)
    finally:
        library.MPI_T_finalize()


def _library_file() -> str:
    """The MPI library that this process has loaded."""
    found = re.search(r"\S*/libmpi\.so\S*", Path("/proc/self/maps").read_text())
    if found is None:
        raise UsageError("--export openmpi: no libmpi.so is loaded: use an Open MPI that is a shared library")
    return found[0]
