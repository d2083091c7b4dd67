"""JSON that people read, and what is wrong in what they wrote: for the files of `mpitrain tune` and `calibrate`."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mpitrain.tuning.measured import Place

KINDS = {dict: "an object", list: "a list", str: "text", int: "a whole number", bool: "true or false"}
PLACE_KINDS = {"mpi_library": str, "ranks": int, "nodes": int, "ranks_per_node": int, "crowded": bool}


class Wrong(Exception):
    """What is wrong in a file: where, expected, found."""

    def __init__(self, where: str, expected: str, found: object):
        shown = json.dumps(found)
        super().__init__(f"{where}: expected {expected}, found {shown if len(shown) < 60 else f'{shown[:57]}...'}")


def of_kind(value: Any, kind: type, where: str) -> Any:
    """The value; `Wrong` if it is of another kind."""
    if type(value) is not kind:
        raise Wrong(where, KINDS[kind], value)
    return value


def place_in(entry: Mapping[str, Any], where: str) -> Place:
    """The place that an entry is of."""
    return Place(**{key: of_kind(entry.get(key), kind, f"{where}, {key}") for key, kind in PLACE_KINDS.items()})


def places_in(content: Any, form: str, version: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of a file of this format and version, one a place, each with where it stands."""
    if not isinstance(content, dict) or content.get("format") != form:
        found = content.get("format") if isinstance(content, dict) else content
        raise Wrong("format", f'"{form}"', found)
    if content.get("version") != version:
        raise Wrong("version", f"{version}, which this mpitrain reads", content.get("version"))
    for number, entry in enumerate(of_kind(content.get("places"), list, "places")):
        where = f"place {number + 1}"
        yield where, of_kind(entry, dict, where)


def shown(value: Any, indent: str = "") -> str:
    """JSON, in which lists and objects of plain values take a line each."""
    inner = f"{indent}  "
    parts = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(value, dict | list) or not any(isinstance(part, dict | list) for part in parts):
        return json.dumps(value)
    if isinstance(value, dict):
        lines = [f"{inner}{json.dumps(key)}: {shown(part, inner)}" for key, part in value.items()]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{shown(part, inner)}" for part in value) + f"\n{indent}]"
