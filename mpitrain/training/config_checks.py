"""What is wrong with a configuration: the first value that cannot be, in one line."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mpitrain.collectives.catalogue import ALLREDUCE, LIBRARY, find, near
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.training.option_types import option

if TYPE_CHECKING:
    from mpitrain.training.config import Config

Holds = Callable[[Any], bool]

NUMBERS: tuple[tuple[str, str, Holds], ...] = (
    (
        "batch global_batch epochs steps bucket_bytes virtual microbatches sequence",
        "1 or more",
        lambda value: value >= 1,
    ),
    ("seed warmup_steps weight_decay", "0 or more", lambda value: value >= 0),
    ("hidden channels", "widths of 1 or more", lambda value: all(width >= 1 for width in value)),
    ("lr", "a number above 0", lambda value: value > 0 and math.isfinite(value)),
    ("stall_warn stall_abort", "seconds, more than 0", lambda value: value > 0),
    ("momentum average dropout", "0 or more and less than 1", lambda value: 0 <= value < 1),
    ("clip", "a number above 0", lambda value: value > 0),
    ("weight_decay", "a finite number", math.isfinite),
    ("name", "a name without /", lambda value: value not in ("", ".", "..") and "/" not in value),
)
"""Options, what is expected of them, and whether a value is that. None stands for a value that was not given."""


def check(config: "Config") -> None:
    """`UsageError` for the first value that is wrong."""
    for names, expected, holds in NUMBERS:
        for name in names.split():
            if getattr(config, name) is not None:
                _demand(config, name, expected, holds)
    if config.model == "cnn":
        _demand(config, "channels", "one or two convolutions", lambda value: 1 <= len(value) <= 2)
    if config.nesterov and config.momentum == 0:
        raise UsageError("--nesterov: expected a --momentum above 0 with it, found 0")
    if config.precision == "tf32":
        _demand(
            config, "device", "cuda with --precision tf32, a mode of its tensor cores", lambda value: value == "cuda"
        )
    if config.graphs:
        _demand(config, "device", "cuda with --graphs", lambda value: value != "cpu")
        _demand(config, "microbatches", "1 with --graphs", lambda value: value == 1)
        _demand(config, "dropout", "0 with --graphs: each launch would drop the same", lambda value: not value)
    _check_algorithm(config)
    if config.virtual is None:
        for name in ("network", "trace"):
            _demand(config, name, "--virtual with it, and a number of ranks", lambda value: value is None)
    else:
        _demand(config, "engine", "none with --virtual", lambda value: value == "auto")
        _demand(config, "device", "cpu with --virtual", lambda value: value == "cpu")
        _demand(config, "algorithm", "one of ours: no MPI library runs virtual ranks", lambda value: value != LIBRARY)


def _check_algorithm(config: "Config") -> None:
    names = ("auto", *ALLREDUCE, LIBRARY)
    expected = f"{near(config.algorithm, ALLREDUCE, 'allreduce')}, {LIBRARY}, or auto"
    _demand(config, "algorithm", expected, lambda value: value.partition("(")[0] in names)
    if "(" in config.algorithm:
        try:
            find("allreduce", config.algorithm)
        except ScheduleError as error:
            raise UsageError(f"--algorithm {config.algorithm}: {error}") from None


def _demand(config: "Config", name: str, expected: str, holds: Holds) -> None:
    value = getattr(config, name)
    if not holds(value):
        shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
        raise UsageError(f"{option(name)} {shown}: expected {expected}")
