"""What a world knows when it chooses: its place, and what was measured there. Read by rank 0, alike on all ranks."""

from pathlib import Path

from mpitrain.engines.library import library_version
from mpitrain.engines.start import MPI
from mpitrain.errors import UsageError
from mpitrain.tuning.choose import Tuning
from mpitrain.tuning.measured import Place, PlaceTable
from mpitrain.tuning.table_file import read_tables

File = str | Path | None
"""That of `mpitrain tune`; None: the one that the environment names, if any."""

Tables = tuple[PlaceTable, ...] | None
"""What a file of `mpitrain tune` holds; None: still to be read."""


def agreed_tables(comm: MPI.Intracomm, given: File) -> tuple[PlaceTable, ...]:
    """Those of rank 0, on all ranks; its `UsageError` too. Collective."""
    told: tuple[PlaceTable, ...] | str = ()
    if comm.Get_rank() == 0:
        try:
            told = read_tables(given)
        except UsageError as error:
            told = str(error)
    told = comm.bcast(told)
    if isinstance(told, str):
        raise UsageError(told, agreed=True)
    return told


def tuning_of(
    comm: MPI.Intracomm, node: int, node_sizes: tuple[int, ...] | None, crowded: bool, tables: Tables
) -> Tuning:
    """What the tables say of this place. Collective."""
    if tables is None:
        tables = agreed_tables(comm, None)
    nodes = comm.allgather(node)
    fullest = max(map(nodes.count, set(nodes)))
    place = Place(library_version(), len(nodes), len(set(nodes)), fullest, bool(crowded))
    return Tuning(place, next((table.collectives for table in tables if table.place == place), {}), tables, node_sizes)
