"""A network from a TOML file, or by the name of one that comes with mpitrain (`presets/`).

topology = "nodes"                              # flat, nodes, torus or fat_tree
ranks_per_node = 4
near = { alpha = "0.5 us", beta = "50 GB/s" }   # within a node
far = { alpha = "2 us", beta = "25 Gb/s" }      # between nodes
gamma = "20 GB/s"                               # reduced
speed = "50 Gflop/s"                            # of a rank
eager = "64 KiB"                                # longer messages wait for their receiver

[[straggler]]
ranks = [3]
slowdown = 1.5

[[fault]]
crash = 7
at = "2 ms"
"""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from mpitrain.errors import UsageError
from mpitrain.network.network import Network
from mpitrain.network.quantity import flops, nbytes, seconds, seconds_a_byte
from mpitrain.network.trouble import ANY, Fault, Straggler

Parser = Callable[[str, Any], Any]


def read(given: str | Path) -> Network:
    """A file, or the name of a preset. `UsageError` for what is wrong with it."""
    path = Path(given)
    preset = files("mpitrain.network") / "presets" / f"{given}.toml"
    if not path.suffix and not path.exists():
        if not preset.is_file():
            raise UsageError(f"--network {given}: expected a TOML file, or one of {', '.join(presets())}")
        text = preset.read_text()
    else:
        try:
            text = path.read_text()
        except OSError as error:
            raise UsageError(f"--network {given}: {error.strerror}; expected a TOML file") from None
        except UnicodeDecodeError:
            raise UsageError(f"--network {given}: expected a TOML file, found something else") from None
    try:
        network = parse(text)
    except (UsageError, ValueError) as error:
        raise UsageError(f"--network {given}: {error}") from None
    return replace(network, name=network.name or path.stem)


def presets() -> list[str]:
    """The names of those that come with mpitrain."""
    folder = files("mpitrain.network") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def parse(text: str) -> Network:
    """From TOML. `UsageError` or `ValueError` for what is wrong with it."""
    table = tomllib.loads(text)
    topology = table.pop("topology", "flat")
    if topology not in TOPOLOGIES:
        raise UsageError(f"topology = {topology!r}: expected one of {', '.join(TOPOLOGIES)}")
    make, needed, optional = TOPOLOGIES[topology]
    values = _parsed("", table, needed | {"gamma": seconds_a_byte}, optional | OTHERS)
    return make(**{SEVERAL.get(name, name): value for name, value in values.items()})


def _parsed(
    where: str, table: Mapping[str, Any], needed: Mapping[str, Parser], optional: Mapping[str, Parser]
) -> dict[str, Any]:
    """The values of a table that has all that is needed and nothing that is unknown."""
    known = {**needed, **optional}
    for name in table:
        if name not in known:
            raise UsageError(f"{where}{name} is unknown: expected one of {', '.join(known)}")
    for name in needed:
        if name not in table:
            raise UsageError(f"{where}{name} is missing")
    return {name: known[name](where + name, value) for name, value in table.items()}


def _whole(name: str, value: Any) -> int:
    if type(value) is not int:
        raise UsageError(f"{name} = {value!r}: expected a whole number")
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"{name} = {value!r}: expected a number")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} = {value!r}: expected text")
    return value


def _several(parser: Parser) -> Parser:
    def parse_all(name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise UsageError(f"{name} = {value!r}: expected a list")
        return tuple(parser(name, item) for item in value)

    return parse_all


def _wire(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, dict):
        raise UsageError(f'{name} = {value!r}: expected a table such as {{ alpha = "2 us", beta = "25 Gb/s" }}')
    wire = _parsed(f"{name}.", value, WIRE, {})
    return wire["alpha"], wire["beta"]


def _speeds(name: str, value: Any) -> dict[int, float]:
    if not isinstance(value, dict) or not all(rank.isdigit() for rank in value):
        raise UsageError(f"{name} = {value!r}: expected a factor for some ranks, such as {{ 3 = 0.5 }}")
    return {int(rank): _number(f"{name}.{rank}", factor) for rank, factor in value.items()}


def _stragglers(name: str, value: Any) -> tuple[Straggler, ...]:
    return tuple(
        Straggler(**_parsed(f"{name}.", table, {"slowdown": _number}, STRAGGLER)) for table in _tables(name, value)
    )


def _faults(name: str, value: Any) -> tuple[Fault, ...]:
    return tuple(_fault(f"{name}.", table) for table in _tables(name, value))


def _fault(where: str, table: Mapping[str, Any]) -> Fault:
    kinds = [kind for kind in KINDS if kind in table]
    if len(kinds) != 1:
        raise UsageError(f"{where[:-1]}: expected one of {', '.join(KINDS)}, found {', '.join(kinds) or 'none'}")
    kind = kinds[0]
    found = _parsed(where, table, {kind: _place, "at": _time}, {"lasting": seconds, "factor": _number})
    return Fault(kind, found.pop(kind), **found)  # type: ignore[arg-type]


def _place(name: str, value: Any) -> Any:
    """A rank, any, a pair of ranks, or the name of a link."""
    if type(value) is int or value == ANY:
        return value
    if isinstance(value, list) and len(value) >= 2:
        return tuple(value)
    raise UsageError(f'{name} = {value!r}: expected a rank, "any", two ranks, or the name of a link')


def _time(name: str, value: Any) -> Any:
    """Seconds, or a range of them."""
    return _several(seconds)(name, value) if isinstance(value, list) and len(value) == 2 else seconds(name, value)


def _tables(name: str, value: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise UsageError(f"{name}: expected [[{name}]] and its values below")
    return value


KINDS = ("crash", "freeze", "slow", "cut")

WIRE: Mapping[str, Parser] = {"alpha": seconds, "beta": seconds_a_byte}

STRAGGLER: Mapping[str, Parser] = {"kind": _text, "ranks": _several(_whole), "every": seconds, "lasting": seconds}

TOPOLOGIES: Mapping[str, tuple[Callable[..., Network], dict[str, Parser], dict[str, Parser]]] = {
    "flat": (Network.flat, {**WIRE}, {}),
    "nodes": (Network.nodes, {"ranks_per_node": _whole, "near": _wire, "far": _wire}, {"port": seconds_a_byte}),
    "torus": (Network.torus, {"shape": _several(_whole), **WIRE}, {"hop": seconds}),
    "fat_tree": (
        Network.fat_tree,
        {"radix": _several(_whole), **WIRE},
        {"oversubscription": _several(_number), "hop": seconds},
    ),
}
"""How each is made, from what it needs and what it may be told."""

OTHERS: dict[str, Parser] = {
    "name": _text,
    "speed": flops,
    "speeds": _speeds,
    "eager": nbytes,
    "rendezvous": seconds,
    "straggler": _stragglers,
    "fault": _faults,
}

SEVERAL = {"straggler": "stragglers", "fault": "faults"}
"""What is one table in the file is a list in Python."""
