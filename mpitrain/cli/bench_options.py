"""The options of `bench` for a collective, and whether they can be had."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import Parameter

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.schedules import nbytes_of
from mpitrain.collectives.catalogue import find
from mpitrain.errors import UsageError
from mpitrain.training.option_types import Whole
from mpitrain.world import World

DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64")
PICTURES = (".svg", ".png", ".pdf")
SIZES = ("1K", "64K", "256K", "1M", "4M", "16M", "64M")

CALIBRATED = {"dtype": "float32", "memory": "window", "call": "plan"}
"""How `calibrate` measures; of other calls it says nothing."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is measured.

    Parameters
    ----------
    nbytes
        Sizes of the whole buffer, such as 64K,1M or 64K 1M.
    algorithm
        One of the collective's; auto: what is taken if none is named; all: each, on each engine.
    engine
        How data move: auto, mpi (messages), or shared (memory that the ranks of one node share).
    dtype
        float16, bfloat16, float32, float64, int8, int16, int32 or int64.
    memory
        Where our data lie: window (from world.empty), or foreign (an ordinary NumPy array).
    call
        By a plan made once, or adhoc, by world.allreduce(buffer).
    rounds
        Samples of each way.
    seed
        Of the numbers on which every way is checked before it is timed.
    json
        File to write all numbers to.
    plot
        File for a picture: time against bytes of each way, with the bounds that no algorithm can pass. .svg, .png or
        .pdf.
    tuning
        File of `mpitrain tune` by which auto chooses. Default: the one that MPITRAIN_TUNING names, if any.
    explain
        Say first what auto takes, why, and what would come second.
    predict
        File of `mpitrain calibrate`: say beside what was measured what was to be expected, and how well that fits.
    """

    nbytes: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None), negative="", show_default=" ".join)] = (
        SIZES
    )
    algorithm: str = "auto"
    engine: Literal["auto", "mpi", "shared"] = "auto"
    dtype: str = "float32"
    memory: Literal["window", "foreign"] = "window"
    call: Literal["plan", "adhoc"] = "plan"
    rounds: Whole = 20
    seed: Whole = 0
    json: Path | None = None
    plot: Annotated[Path | None, Parameter(negative="")] = None
    tuning: Annotated[Path | None, Parameter(negative="")] = None
    explain: Annotated[bool, Parameter(negative="")] = False
    predict: Annotated[Path | None, Parameter(negative="")] = None

    @property
    def sizes(self) -> list[int]:
        return [nbytes_of(text) for texts in self.nbytes for text in texts.split(",")]

    def check(self, collective: str) -> None:
        """`UsageError` or `ScheduleError` for the first value that is wrong."""
        if collective not in KINDS:
            raise UsageError(f"no collective {collective!r} to measure: expected one of {', '.join(KINDS)}")
        if self.algorithm not in ("auto", "all"):
            find(collective, self.algorithm)
        if self.dtype not in DTYPES:
            raise UsageError(f"--dtype {self.dtype}: expected one of {', '.join(DTYPES)}")
        for name, value, least in (("rounds", self.rounds, 1), ("seed", self.seed, 0)):
            if value < least:
                raise UsageError(f"--{name} {value}: expected {least} or more")
        if self.plot is not None and KINDS[collective].bus is None:
            raise UsageError(f"--plot {self.plot}: expected a collective with data, which {collective} has not")
        if self.predict is not None:
            for name, wanted in CALIBRATED.items():
                if (found := getattr(self, name)) != wanted:
                    raise UsageError(f"--predict {self.predict}: expected --{name} {wanted}, found {found}")
        if not self.sizes:
            raise UsageError("--nbytes: expected one size or more, found none")


DEFAULTS = Options()


def check_place(world: World, options: Options) -> None:
    """`UsageError` where there is no room for the largest data, or a file cannot be written."""
    check_room(world, max(options.sizes))
    for name, path in (("json", options.json), ("plot", options.plot)):
        if path is not None and world.rank == 0:
            check_writable(f"--{name}", path)
    if options.plot is not None and options.plot.suffix not in PICTURES:
        raise UsageError(f"--plot {options.plot}: expected a file of one of the kinds {', '.join(PICTURES)}")
    if options.plot is not None and find_spec("matplotlib") is None:
        raise UsageError('--plot: needs matplotlib: pip install "mpitrain[plot]"')


def check_room(world: World, largest: int) -> None:
    """`UsageError` where there is no memory for data of so many bytes."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if 3 * largest * world.node_size > memory:
        raise UsageError(
            f"--nbytes {largest}: expected at most {memory // (3 * world.node_size)}, since {world.node_size} ranks "
            f"need 3 times as much each and there are {memory} bytes of memory"
        )


def check_writable(option: str, path: Path) -> None:
    """`UsageError` where a file can not be written."""
    if path.is_dir() or not os.access(path.absolute().parent, os.W_OK):
        raise UsageError(f"{option} {path}: expected a file in a folder that can be written")


def dtype_of(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
