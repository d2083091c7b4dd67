"""`mpirun -n 2 python -m mpitrain bench allreduce`: collectives beside the MPI library's own, in turns."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from mpitrain.cli.bandwidth import BUS_FACTOR, algorithm_bandwidth, bus_bandwidth
from mpitrain.cli.bench_table import header, line, summary
from mpitrain.cli.bench_ways import Way, check, library_way, named, our_way
from mpitrain.cli.environment import environment
from mpitrain.cli.json_file import write_json
from mpitrain.cli.schedules import nbytes_of
from mpitrain.cli.turns import spread, take_turns
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.training.agreement import agreed
from mpitrain.training.config import Whole
from mpitrain.world import World

DTYPES = ("float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64")
SIZES = ("1K", "64K", "256K", "1M", "4M", "16M", "64M")


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

    @property
    def sizes(self) -> list[int]:
        return [nbytes_of(text) for texts in self.nbytes for text in texts.split(",")]

    def check(self, collective: str) -> None:
        """`UsageError` or `ScheduleError` for the first value that is wrong."""
        if collective not in BUS_FACTOR:
            raise UsageError(f"no collective {collective!r} to measure: expected one of {', '.join(BUS_FACTOR)}")
        if self.algorithm not in ("auto", "all"):
            find(collective, self.algorithm)
        if self.dtype not in DTYPES:
            raise UsageError(f"--dtype {self.dtype}: expected one of {', '.join(DTYPES)}")
        for name, value, least in (("rounds", self.rounds, 1), ("seed", self.seed, 0)):
            if value < least:
                raise UsageError(f"--{name} {value}: expected {least} or more")
        if not self.sizes:
            raise UsageError("--nbytes: expected one size or more, found none")


DEFAULTS = Options()


def bench_collective(
    collective: str = "allreduce", *, options: Annotated[Options, Parameter(name="*")] = DEFAULTS
) -> None:
    """Measure a collective on all ranks, in place, beside the MPI library's own; both take turns in one run.

    A sample is some calls in a row after a barrier, as many as move 16 MiB, at most 100; its time that of the slowest
    rank. Bandwidths, in GB/s, are what nccl-tests call algorithm and bus bandwidth. The library's call is mpi4py's own,
    on an ordinary NumPy array; the ratio is its median time over ours: above 1 ours is faster.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast or reduce.
    """
    options.check(collective)
    from mpitrain.engines import init

    with init(options.engine) as world:
        agreed(world, lambda: check_place(world, options))
        facts = environment(world)
        print(header(collective, options.dtype, options.memory, options.call, options.rounds, facts), flush=True)
        records = []
        for record in measure(world, collective, options):
            print(line(record), flush=True)
            records.append(record)
        print(summary(records, by_way=options.algorithm == "all"), flush=True)
        if options.json is not None and world.rank == 0:
            write_json(options.json, {"environment": facts, "records": records})


def check_place(world: World, options: Options) -> None:
    """`UsageError` where there is no room for the largest data, or the file cannot be written."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    largest = max(options.sizes)
    if 3 * largest * world.node_size > memory:
        raise UsageError(
            f"--nbytes {largest}: expected at most {memory // (3 * world.node_size)}, since {world.node_size} ranks "
            f"need 3 times as much each and there are {memory} bytes of memory"
        )
    if options.json is not None and world.rank == 0:
        folder = options.json.absolute().parent
        if options.json.is_dir() or not os.access(folder, os.W_OK):
            raise UsageError(f"--json {options.json}: expected a file in a folder that can be written")


def measure(world: World, collective: str, options: Options) -> Iterator[dict[str, Any]]:
    """A record for each size and way. Collective.

    Each size has arrays of its own, as programs have: a part of a much larger one may lie on huge pages, on which the
    kernel copies three times as fast.
    """
    dtype = dtype_of(options.dtype)
    window = world.empty(max(options.sizes) // dtype.itemsize, dtype) if options.memory == "window" else None
    adhoc = options.call == "adhoc"
    for nbytes in options.sizes:
        count = nbytes // dtype.itemsize
        ours = np.empty(count, dtype) if window is None else window[:count]
        library, why_not = library_or_reason(world, collective, np.empty(count, dtype))
        for algorithm, engine in named(world, collective, options.algorithm, adhoc, library is not None):
            way = our_way(world, collective, ours, algorithm, engine, adhoc)
            sides = [way] if library is None else [way, library]
            for side in sides:
                check(world, collective, side, options.seed)
            calls = calls_in_a_row(nbytes)
            seconds = take_turns(world, [side.run for side in sides], options.rounds, calls)
            way.free()
            yield record_of(world, collective, options, way, calls, seconds, why_not)


def library_or_reason(world: World, collective: str, buffer: np.ndarray) -> tuple[Way | None, str | None]:
    try:
        return library_way(world, collective, buffer), None
    except ScheduleError as error:
        return None, str(error).partition(":")[0]  # without the advice to take ours: we do


def calls_in_a_row(nbytes: int) -> int:
    """Of one sample: enough that the clock and the way out of the barrier do not count for small data."""
    return max(1, min(100, (16 << 20) // max(nbytes, 1)))


def record_of(
    world: World, collective: str, options: Options, way: Way, calls: int, seconds: np.ndarray, why_not: str | None
) -> dict[str, Any]:
    """One line of the table and more, as --json writes it; bandwidths in GB/s."""
    ours, nbytes = spread(seconds[:, 0] * 1e6), way.buffer.nbytes
    library = spread(seconds[:, 1] * 1e6) if why_not is None else None
    return {
        "collective": collective,
        "ranks": world.size,
        "nbytes": nbytes,
        "count": way.buffer.size,
        "dtype": options.dtype,
        "memory": options.memory,
        "call": options.call,
        "algorithm": way.algorithm,
        "engine": way.engine,
        "why": way.why,
        "rounds": options.rounds,
        "calls": calls,
        "median_us": ours.median,
        "min_us": ours.least,
        "max_us": ours.most,
        "algbw": algorithm_bandwidth(nbytes, ours.median / 1e6),
        "busbw": bus_bandwidth(collective, world.size, nbytes, ours.median / 1e6),
        "library_median_us": library and library.median,
        "library_min_us": library and library.least,
        "library_max_us": library and library.most,
        "ratio": library and library.median / ours.median,
        "why_no_ratio": why_not,
    }


def dtype_of(name: str) -> np.dtype:
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)
