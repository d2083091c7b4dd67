"""The file of `mpitrain calibrate`: JSON to read and to write, a line for each cost.

{
  "format": "mpitrain calibration",
  "version": 1,
  "places": [
    {
      "mpi_library": "Open MPI v5.0.11", "ranks": 2, "nodes": 1, "ranks_per_node": 2, "crowded": false,
      "barrier_us": 0.49,
      "machine": {"cores": 2, "cpu": "AMD EPYC", ...},
      "about": {"date": "2026-11-25", "dtype": "float32", "memory": "world.empty", "rounds": 15, ...},
      "flat": {"alpha": 1.5e-6, "beta": 8e-11, "gamma": 5e-11},        seconds a message, a byte sent, a byte reduced
      "knots": {"near": [32768, ...], "far": [16777216, ...]},         bytes
      "engines": {
        "shared": {
          "eager": 1024, "tile": 262144, "samples": 120,
          "errors": {"median": 0.023, "mean": 0.046, "largest": 0.36}, of the samples themselves
          "microseconds": {"call": 0.75, "group": 0.05, ...},
          "nanoseconds_per_kib": {"read_own": [...], ...}              at each knot
        }, ...
      }
    }
  ]
}
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpitrain.errors import UsageError
from mpitrain.tuning.calibration import Calibration, Flat
from mpitrain.tuning.cost_model import CostModel, Errors
from mpitrain.tuning.json_text import Wrong, of_kind, place_in, places_in, shown
from mpitrain.tuning.measured import Place
from mpitrain.tuning.terms import COUNTED, FAR, KNOTS, MOVING, NEAR

FORMAT, VERSION = "mpitrain calibration", 1
AGAIN = "make it anew with `mpirun -n N python -m mpitrain calibrate --out FILE`"

PER_KIB = 1e9 * 1024
"""Nanoseconds a KiB of a second a byte."""


def read_calibrations(path: Path, option: str) -> tuple[Calibration, ...]:
    """Of all places in the file that an option names. `UsageError` if it cannot be used."""
    source = f"{option} {path}"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}; {AGAIN}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{source}: expected a calibration in JSON, found no text; {AGAIN}") from None
    return parsed(text, source)


def of_place(calibrations: tuple[Calibration, ...], place: Place, source: str) -> tuple[Calibration, ...]:
    """Those of this place. `UsageError` if there are none."""
    if here := tuple(found for found in calibrations if found.place == place):
        return here
    places = "; ".join(dict.fromkeys(str(found.place) for found in calibrations)) or "none"
    raise UsageError(f"{source}: expected a calibration of {place}, found {places}; {AGAIN}")


def as_text(calibrations: tuple[Calibration, ...]) -> str:
    content = {"format": FORMAT, "version": VERSION, "places": [_entry(found) for found in calibrations]}
    return f"{shown(content)}\n"


def parsed(text: str, source: str) -> tuple[Calibration, ...]:
    """The calibrations in a file's text. `UsageError` names `source` and the first thing in it that is wrong."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source}: expected a calibration in JSON: {error}; {AGAIN}") from None
    try:
        return _parsed(content)
    except Wrong as wrong:
        raise UsageError(f"{source}: {wrong}; {AGAIN}") from None


def _parsed(content: Any) -> tuple[Calibration, ...]:
    calibrations = []
    for where, entry in places_in(content, FORMAT, VERSION):
        place = place_in(entry, where)
        if entry.get("knots") != _KNOTS:
            raise Wrong(f"{where}, knots", "those of this mpitrain", entry.get("knots"))
        flat = of_kind(entry.get("flat"), dict, f"{where}, flat")
        alpha, beta, gamma = (_number(flat.get(name), f"{where}, flat, {name}") for name in ("alpha", "beta", "gamma"))
        engines = of_kind(entry.get("engines"), dict, f"{where}, engines")
        calibrations.append(
            Calibration(
                place,
                _above_0(entry.get("barrier_us"), f"{where}, barrier_us") / 1e6,
                {engine: _model(engine, found, f"{where}, engines, {engine}") for engine, found in engines.items()},
                Flat(alpha, beta, gamma),
                of_kind(entry.get("machine", {}), dict, f"{where}, machine"),
                of_kind(entry.get("about", {}), dict, f"{where}, about"),
            )
        )
    return tuple(calibrations)


def _model(engine: str, entry: Any, where: str) -> CostModel:
    if engine not in COUNTED:
        raise Wrong(where, f"one of {', '.join(COUNTED)}", engine)
    entry = of_kind(entry, dict, where)
    eager, tile, samples = (of_kind(entry.get(key), int, f"{where}, {key}") for key in ("eager", "tile", "samples"))
    errors = of_kind(entry.get("errors"), dict, f"{where}, errors")
    counted = of_kind(entry.get("microseconds"), dict, f"{where}, microseconds")
    moved = of_kind(entry.get("nanoseconds_per_kib"), dict, f"{where}, nanoseconds_per_kib")
    costs = {}
    for term in MOVING[engine]:
        row = of_kind(moved.get(term), list, f"{where}, {term}")
        if len(row) != len(KNOTS):
            raise Wrong(f"{where}, {term}", f"{len(KNOTS)} numbers", row)
        costs[term] = tuple(_number(value, f"{where}, {term}") / PER_KIB for value in row)
    return CostModel(
        engine,
        eager,
        tile,
        {term: _number(counted.get(term), f"{where}, {term}") / 1e6 for term in COUNTED[engine]},
        costs,
        samples,
        Errors(*(_number(errors.get(name), f"{where}, errors, {name}") for name in Errors._fields)),
    )


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e12:
        raise Wrong(where, "a number, 0 or more", value)
    return float(value)


def _above_0(value: Any, where: str) -> float:
    if not _number(value, where):
        raise Wrong(where, "a number above 0", value)
    return float(value)


_KNOTS = {"near": list(NEAR), "far": list(FAR)}


def _entry(calibration: Calibration) -> dict[str, Any]:
    flat = calibration.flat
    return calibration.place._asdict() | {
        "barrier_us": _rounded(calibration.barrier * 1e6),
        "machine": dict(calibration.machine),
        "about": dict(calibration.about),
        "flat": {name: _rounded(getattr(flat, name)) for name in ("alpha", "beta", "gamma")},
        "knots": _KNOTS,
        "engines": {engine: _engine(model) for engine, model in calibration.models.items()},
    }


def _engine(model: CostModel) -> dict[str, Any]:
    return {
        "eager": model.eager,
        "tile": model.tile,
        "samples": model.samples,
        "errors": {name: _rounded(value) for name, value in model.errors._asdict().items()},
        "microseconds": _costs(model.counted, 1e6),
        "nanoseconds_per_kib": {
            term: [_rounded(value * PER_KIB) for value in row] for term, row in model.moved.items()
        },
    }


def _costs(costs: Mapping[str, float], unit: float) -> dict[str, float]:
    return {term: _rounded(value * unit) for term, value in costs.items()}


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")
