"""The file of `mpitrain tune`: JSON to read and to write, a line for each way.

{
  "format": "mpitrain tuning",
  "version": 1,
  "places": [
    {
      "mpi_library": "Open MPI v5.0.11", "ranks": 2, "nodes": 1, "ranks_per_node": 2, "crowded": false,
      "machine": {"cores": 2, "cpu": "AMD EPYC", ...},
      "collectives": {
        "allreduce": {
          "about": {"date": "2026-11-25", "dtype": "float32", "rounds": 9, ...},
          "nbytes": [1024, 4096, ...],
          "microseconds": {"library": [1.28, 1.61, ...], "shared direct": [...], ...}
        }, ...
      },
      "library_algorithms": {...}    as "collectives"; only where rules for the library were exported
    }
  ]
}
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.tuning.choice import Way
from mpitrain.tuning.json_text import Wrong, of_kind, place_in, places_in, shown
from mpitrain.tuning.measured import Measured, PlaceTable

FORMAT, VERSION = "mpitrain tuning", 1
AGAIN = "make it anew with `mpirun -n N python -m mpitrain tune --out FILE`"


VARIABLE = "MPITRAIN_TUNING"
"""Names the file, unless a command's --tuning does."""


def read_tables(given: str | Path | None, option: str = "--tuning") -> tuple[PlaceTable, ...]:
    """From the file that an option or else the environment names; none without one. `UsageError` if it cannot be."""
    path = os.environ.get(VARIABLE) if given is None else given
    if not path:
        return ()
    source = f"{VARIABLE}={path}" if given is None else f"{option} {path}"
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}; {AGAIN}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{source}: expected a tuning table in JSON, found no text; {AGAIN}") from None
    return parsed(text, source)


def as_text(tables: tuple[PlaceTable, ...]) -> str:
    content = {"format": FORMAT, "version": VERSION, "places": [_place(table) for table in tables]}
    return f"{shown(content)}\n"


def parsed(text: str, source: str) -> tuple[PlaceTable, ...]:
    """The tables in a file's text. `UsageError` names `source` and the first thing in it that is wrong."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source}: expected a tuning table in JSON: {error}; {AGAIN}") from None
    try:
        return _parsed(content)
    except Wrong as wrong:
        raise UsageError(f"{source}: {wrong}; {AGAIN}") from None


def _parsed(content: Any) -> tuple[PlaceTable, ...]:
    tables = []
    for where, entry in places_in(content, FORMAT, VERSION):
        place = place_in(entry, where)
        tables.append(
            PlaceTable(
                place,
                _collectives(entry, "collectives", where, _check_ours),
                _collectives(entry, "library_algorithms", where, lambda collective, way: None),
                of_kind(entry.get("machine", {}), dict, f"{where}, machine"),
            )
        )
    return tuple(tables)


def _collectives(
    entry: Mapping[str, Any], key: str, where: str, check: Callable[[str, Way], None]
) -> dict[str, Measured]:
    found = of_kind(entry.get(key, {}), dict, f"{where}, {key}")
    return {name: _measured(name, of_one, f"{where}, {key}, {name}", check) for name, of_one in found.items()}


def _measured(collective: str, entry: Any, where: str, check: Callable[[str, Way], None]) -> Measured:
    entry = of_kind(entry, dict, where)
    nbytes = of_kind(entry.get("nbytes"), list, f"{where}, nbytes")
    if not nbytes or any(type(n) is not int or n < 0 for n in nbytes) or sorted(set(nbytes)) != nbytes:
        raise Wrong(f"{where}, nbytes", "sizes in ascending order", nbytes)
    seconds = {}
    for text, times in of_kind(entry.get("microseconds"), dict, f"{where}, microseconds").items():
        try:
            check(collective, way := Way.of(text))
        except (ValueError, ScheduleError) as error:
            raise Wrong(f"{where}, microseconds", f"ways of this mpitrain ({error})", text) from None
        times = of_kind(times, list, f"{where}, {text}")
        if len(times) != len(nbytes) or any(type(t) not in (int, float) or not 0 < t < 1e12 for t in times):
            raise Wrong(f"{where}, {text}", f"{len(nbytes)} times above 0", times)
        seconds[way] = tuple(t / 1e6 for t in times)
    return Measured(tuple(nbytes), seconds, of_kind(entry.get("about", {}), dict, f"{where}, about"))


def _check_ours(collective: str, way: Way) -> None:
    find(collective, way.algorithm)


def _place(table: PlaceTable) -> dict[str, Any]:
    parts = {"collectives": table.collectives, "library_algorithms": table.library_algorithms}
    return (
        table.place._asdict()
        | {"machine": dict(table.machine)}
        | {key: {name: _entry(found) for name, found in part.items()} for key, part in parts.items() if part}
    )


def _entry(measured: Measured) -> dict[str, Any]:
    microseconds = {str(way): [float(f"{t * 1e6:.5g}") for t in times] for way, times in measured.seconds.items()}
    return {"about": dict(measured.about), "nbytes": list(measured.nbytes), "microseconds": microseconds}
