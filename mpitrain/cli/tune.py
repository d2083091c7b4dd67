"""`mpirun -n 8 python -m mpitrain tune`: measure all ways, so that `auto` knows."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mpitrain.cli.bench_options import check_room, check_writable
from mpitrain.cli.environment import environment
from mpitrain.cli.explain import Sizes, collectives_of, sizes_of
from mpitrain.cli.tune_measure import measure
from mpitrain.cli.whole_file import write_whole
from mpitrain.errors import UsageError
from mpitrain.training.agreement import agreed
from mpitrain.training.option_types import Whole
from mpitrain.tuning.choice import Way
from mpitrain.tuning.measured import Measured, PlaceTable, merged
from mpitrain.tuning.openmpi_rules import rules
from mpitrain.tuning.table_file import as_text, read_tables
from mpitrain.world import World


def tune(
    *collectives: str,
    nbytes: Sizes = ("256", "1K", "4K", "16K", "64K", "256K", "1M", "4M", "16M"),
    out: Path = Path("tuning.json"),
    rounds: Whole = 15,
    export: Annotated[tuple[Literal["openmpi"], Path] | None, Parameter(negative="")] = None,
) -> None:
    """Measure every algorithm on every engine, the MPI library's own included, into a table that auto uses.

    Name it in MPITRAIN_TUNING, or give it as --tuning. A file may hold several places, such as 2 and 8 ranks: each
    measurement adds its own, or replaces what it has measured anew. What is timed are plans on float32 in memory from
    world.empty, all ways of a size in turns.

    Parameters
    ----------
    collectives
        Such as allreduce bcast; all of them if left away.
    nbytes
        Sizes of the whole buffer, such as 64K,1M or 64K 1M; auto interpolates between them. Where the best way
        changes from one to the next, some in between are measured too.
    out
        File to write to.
    rounds
        Samples of each way; hopeless ones get two.
    export
        openmpi FILE: measure the algorithms of Open MPI's coll/tuned too, and write its dynamic rules, for all places
        in the table whose algorithms were measured.
    """
    names, sizes = collectives_of(collectives), sizes_of(nbytes)
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: expected 1 or more")
    from mpitrain.engines import init

    with init() as world:
        earlier = agreed(world, lambda: _check(world, out, sizes, export))
        table = PlaceTable(world.tuning.place, {}, {}, _machine(world))
        about = {"date": time.strftime("%Y-%m-%d"), "dtype": "float32", "memory": "world.empty", "rounds": rounds}
        ours, theirs = {}, {}
        for name in names:
            ours[name] = measure(world, name, sizes, rounds, about)
            print(_told(name, ours[name]), flush=True)
        if export is not None:
            from mpitrain.cli.tune_library import measure_library

            for name in names:
                if (found := measure_library(world, name, sizes, rounds, about)) is not None:
                    theirs[name] = found
                    print(_told(f"Open MPI's {name}", found), flush=True)
        tables = merged(earlier, PlaceTable(table.place, ours, theirs, table.machine))
        agreed(world, lambda: _write(world, out, tables, export))


def _check(world: World, out: Path, sizes: list[int], export: tuple[str, Path] | None) -> tuple[PlaceTable, ...]:
    """The tables that the file holds already. `UsageError` where measuring would be in vain."""
    if world.size == 1:
        raise UsageError("tune: one rank sends nothing; start more, as with mpirun -n 2")
    check_room(world, max(sizes))
    if export is not None:
        from mpitrain.engines.library_algorithms import check_library

        check_library()
    if world.rank != 0:
        return ()
    check_writable("--out", out)
    if export is not None:
        check_writable("--export openmpi", export[1])
    return read_tables(out, "--out") if out.exists() else ()


def _machine(world: World) -> dict[str, Any]:
    facts = environment(world)
    return {key: facts[key] for key in ("cores", "cpu", "python", "numpy", "mpitrain")}


def _told(name: str, measured: Measured) -> str:
    """The best way of each size, and what comes next."""
    lines = [f"{name}, {len(measured.seconds)} ways"]
    for at, nbytes in enumerate(measured.nbytes):
        first, *others = sorted(measured.seconds, key=lambda way: measured.seconds[way][at])
        second = f", then {_cost(measured.seconds, others[0], at)}" if others else ""
        lines.append(f"  {nbytes:>11,} bytes  {_cost(measured.seconds, first, at)}{second}")
    return "\n".join(lines)


def _cost(seconds: Mapping[Way, tuple[float, ...]], way: Way, at: int) -> str:
    return f"{way} {seconds[way][at] * 1e6:,.1f} us"


def _write(world: World, out: Path, tables: tuple[PlaceTable, ...], export: tuple[str, Path] | None) -> None:
    if world.rank != 0:
        return
    write_whole("--out", out, as_text(tables))
    print(f"\n{out}: {_places(tables)}; use it with MPITRAIN_TUNING={out}, or --tuning {out}")
    if export is not None:
        path = export[1]
        write_whole("--export openmpi", path, rules(tables))
        print(
            f"{path}: rules for Open MPI; use them with OMPI_MCA_coll_tuned_use_dynamic_rules=1 "
            f"OMPI_MCA_coll_tuned_dynamic_rules_filename={path.absolute()}"
        )


def _places(tables: Iterable[PlaceTable]) -> str:
    return "; ".join(f"{', '.join(table.collectives)} at {table.place}" for table in tables)
