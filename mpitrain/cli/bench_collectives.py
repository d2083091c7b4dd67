"""`mpirun -n 2 python -m mpitrain bench allreduce`: collectives beside the MPI library's own, in turns."""

from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from mpitrain.cli.bandwidth import algorithm_bandwidth, bus_bandwidth
from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.bench_options import DEFAULTS, Options, check_place, dtype_of
from mpitrain.cli.bench_predict import calibrations_of, predict
from mpitrain.cli.bench_predict import table as predicted_table
from mpitrain.cli.bench_table import header, line, side_by_side, summary
from mpitrain.cli.bench_ways import Memory, Way, check, library_way, named, our_ways
from mpitrain.cli.calibrate_measure import barrier_seconds
from mpitrain.cli.environment import environment
from mpitrain.cli.explain import explained
from mpitrain.cli.json_file import write_json
from mpitrain.cli.turns import QUANTILE, calls_in_a_row, spread, take_turns, uncounted
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.training.agreement import agreed
from mpitrain.world import World


def bench_collective(
    collective: str = "allreduce", *, options: Annotated[Options, Parameter(name="*")] = DEFAULTS
) -> None:
    """Measure a collective on all ranks, in place, beside the MPI library's own; all take turns in one run.

    A sample is some calls in a row after a barrier, as many as move 16 MiB, at most 100; its time that of the slowest
    rank. Bandwidths, in GB/s, are what nccl-tests call algorithm and bus bandwidth. The library's call is mpi4py's own,
    on an ordinary NumPy array; the ratio is its median time over ours: above 1 ours is faster.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, alltoall, scan, exscan or barrier.
    """
    options.check(collective)
    from mpitrain.engines import init

    with init(options.engine, tuning=options.tuning) as world:
        agreed(world, lambda: check_place(world, options))
        calibrations = agreed(world, lambda: calibrations_of(world, options))
        facts = environment(world)
        if options.explain:
            print(f"{explained(world, {collective: options.sizes})}\n", flush=True)
        print(header(collective, options.dtype, options.memory, options.call, options.rounds, facts), flush=True)
        records = []
        for record in measure(world, collective, options):
            print(line(record), flush=True)
            records.append(record)
        if options.algorithm == "all":
            print(f"\n{side_by_side(records)}\n")
        print(summary(records, by_way=options.algorithm == "all"), flush=True)
        if calibrations:
            predict(world, calibrations, records)
            print(f"\n{predicted_table(calibrations, records)}", flush=True)
        if options.json is not None and world.rank == 0:
            write_json(options.json, {"environment": facts, "records": records})
        if options.plot is not None:
            from mpitrain.cli.bench_bounds import ping_pong
            from mpitrain.cli.bench_plot import draw

            link = ping_pong(world, options.sizes)
            if world.rank == 0:
                draw(options.plot, collective, records, link, facts)


def measure(world: World, collective: str, options: Options) -> Iterator[dict[str, Any]]:
    """A record for each size and way. Collective.

    Each size has arrays of its own, as programs have: a part of a much larger one may lie on huge pages, on which the
    kernel copies three times as fast.
    """
    dtype, kind = dtype_of(options.dtype), KINDS[collective]
    sizes = [0] if kind.bus is None else options.sizes
    most = kind.room(kind.elements(max(sizes), dtype.itemsize, world.size))
    window = world.empty(most, dtype) if options.memory == "window" else None
    adhoc = options.call == "adhoc"
    for nbytes in sizes:
        count = kind.elements(nbytes, dtype.itemsize, world.size)
        room = kind.room(count)
        ours = np.empty(room, dtype) if window is None else window[:room]
        theirs = Memory.of(world, collective, np.empty(room, dtype), count)
        library, why_not = library_or_reason(world, collective, theirs)
        names = named(world, collective, options.algorithm, adhoc, library is not None)
        ways = our_ways(world, collective, Memory.of(world, collective, ours, count), names, adhoc)
        sides = ways if library is None else [*ways, library]
        for side in sides:
            check(world, collective, side, options.seed)
        calls = calls_in_a_row(nbytes)
        if options.predict is None:
            seconds, barrier = take_turns(world, [side.run for side in sides], options.rounds, calls), None
        else:
            began = barrier_seconds(world)
            seconds = take_turns(world, [side.run for side in sides], options.rounds, calls, uncounted(calls))
            barrier = min(began, barrier_seconds(world))
        for number, way in enumerate(ways):
            way.free()
            record = record_of(world, collective, options, way, calls, seconds[:, [number, -1]], why_not)
            yield record if barrier is None else record | {"barrier_us": barrier * 1e6}


def library_or_reason(world: World, collective: str, memory: Memory) -> tuple[Way | None, str | None]:
    try:
        return library_way(world, collective, memory), None
    except ScheduleError as error:
        return None, str(error).partition(":")[0]  # without the advice to take ours: we do


def record_of(
    world: World, collective: str, options: Options, way: Way, calls: int, seconds: np.ndarray, why_not: str | None
) -> dict[str, Any]:
    """One line of the table and more, as --json writes it; bandwidths in GB/s. `seconds`: ours and the library's."""
    ours, nbytes = spread(seconds[:, 0] * 1e6), way.memory.nbytes
    library = spread(seconds[:, 1] * 1e6) if why_not is None else None
    return {
        "collective": collective,
        "ranks": world.size,
        "nbytes": nbytes,
        "count": way.memory.count,
        "dtype": options.dtype,
        "memory": options.memory,
        "call": options.call,
        "algorithm": way.algorithm,
        "engine": way.engine,
        "why": way.why,
        "rounds": options.rounds,
        "calls": calls,
        "quartile_us": float(np.quantile(seconds[:, 0], QUANTILE)) * 1e6,
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
