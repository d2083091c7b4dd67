"""A configuration as TOML, the way --config reads it."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from mpitrain.training.option_types import option

NOT_MATHEMATICS = frozenset((
    "steps", "progress", "run-dir", "name", "data-dir", "engine", "tuning", "explain", "stall-warn", "stall-abort",
    "virtual", "network", "trace",
))  # fmt: skip
"""Options that change nothing about the numbers of a run."""


def toml(config: Any) -> str:
    """Every option that has a value, one a line."""
    lines = [f"{option(f.name)[2:]} = {_value(getattr(config, f.name))}" for f in fields(config)]
    return "".join(f"{line}\n" for line in lines if not line.endswith(" = "))


def mathematics(config: Any) -> str:
    """The options that the numbers of a run depend on, as TOML: alike in a run and in its continuation."""
    lines = toml(config).splitlines()
    return "".join(f"{line}\n" for line in lines if line.split(" = ")[0] not in NOT_MATHEMATICS)


def _value(value: object) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, Path):
        value = value.absolute()  # to run again from anywhere
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
