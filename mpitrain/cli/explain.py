"""`mpirun -n 8 python -m mpitrain explain allreduce`: what `auto` takes, why, and what would come second."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.schedules import nbytes_of
from mpitrain.cli.tune_measure import TOKEN
from mpitrain.errors import UsageError
from mpitrain.world import World

Sizes = Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None), negative="", show_default=" ".join)]


def explain(
    *collectives: str,
    nbytes: Sizes = ("1K", "16K", "64K", "256K", "1M", "4M", "16M", "64M"),
    tuning: Annotated[Path | None, Parameter(negative="")] = None,
) -> None:
    """Say what `auto` takes on these ranks for each size, why, and what would come second. Measures nothing.

    Parameters
    ----------
    collectives
        Such as allreduce bcast; all of them if left away.
    nbytes
        Sizes of the whole buffer, such as 64K,1M or 64K 1M.
    tuning
        File of `mpitrain tune` by which auto chooses. Default: the one that MPITRAIN_TUNING names, if any.
    """
    names, sizes = collectives_of(collectives), sizes_of(nbytes)
    from mpitrain.engines import init

    with init(tuning=tuning) as world:
        print(explained(world, dict.fromkeys(names, sizes)))


def collectives_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """All of them for none; `UsageError` for one that there is not."""
    for name in names:
        if name not in KINDS:
            raise UsageError(f"no collective {name!r}: expected some of {', '.join(KINDS)}")
    return tuple(dict.fromkeys(names)) or tuple(KINDS)


def sizes_of(texts: Iterable[str]) -> list[int]:
    """Ascending, each once, from texts such as "64K,1M"."""
    return sorted({nbytes_of(text) for several in texts for text in several.split(",")})


def explained(world: World, sizes: Mapping[str, Iterable[int]]) -> str:
    """A line for each collective and size."""
    lines = [
        f"{collective:<14} {nbytes:>11,} bytes  {world.explain(collective, nbytes)}"
        for collective, of_one in sizes.items()
        for nbytes in (of_one if KINDS[collective].bus else [TOKEN])
    ]
    return "\n".join(lines)
