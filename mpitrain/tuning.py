"""Which algorithm `auto` takes: a table of sizes, and the reason in words. Pure.

There are two tables. Where every rank has a core, messages travel side by side and the textbooks hold: few steps for
small data, few bytes for large. Where ranks outnumber cores, each message costs a change of process instead, and
algorithms with few messages in a row win. `docs/performance.md` has the measurements.
"""

from typing import NamedTuple

from mpitrain.collectives.schedule import ScheduleError


class Choice(NamedTuple):
    """What runs, why, and what would have come second."""

    collective: str
    algorithm: str
    engine: str
    reason: str
    runner_up: str


class Row(NamedTuple):
    up_to: int | None  # bytes; None: any
    algorithm: str
    runner_up: str


Table = dict[str, tuple[Row, ...]]

KIB, MIB = 1 << 10, 1 << 20

A_CORE_EACH: Table = {
    "allreduce": (
        Row(16 * KIB, "recursive_doubling", "halving_doubling"),
        Row(MIB, "halving_doubling", "ring"),
        Row(None, "ring", "halving_doubling"),
    ),
    "reduce_scatter": (Row(MIB, "halving_doubling", "ring"), Row(None, "ring", "direct")),
    "allgather": (Row(16 * KIB, "recursive_doubling", "ring"), Row(None, "ring", "direct")),
    "bcast": (Row(64 * KIB, "binomial_tree", "halving_doubling"), Row(None, "halving_doubling", "binomial_tree")),
    "reduce": (Row(64 * KIB, "binomial_tree", "halving_doubling"), Row(None, "halving_doubling", "binomial_tree")),
    "alltoall": (Row(None, "bruck", "library"),),
    "exscan": (Row(None, "recursive_doubling", "library"),),
}

MORE_RANKS_THAN_CORES: Table = A_CORE_EACH | {
    "allreduce": (Row(64 * KIB, "binomial_tree", "direct"), Row(None, "direct", "halving_doubling")),
    "reduce_scatter": (Row(None, "direct", "halving_doubling"),),
    "allgather": (Row(None, "direct", "recursive_doubling"),),
    "bcast": (Row(MIB, "binomial_tree", "direct"), Row(None, "direct", "binomial_tree")),
    "reduce": (Row(None, "binomial_tree", "direct"),),
}

IN_RANK_ORDER = {"allreduce": "recursive_doubling", "reduce_scatter": "direct", "reduce": "direct"}
"""For operations that do not commute."""


def choose(collective: str, nbytes: int, engine: str, *, crowded: bool = False, commutative: bool = True) -> Choice:
    """The choice for data of `nbytes` bytes; `crowded` where ranks outnumber cores."""
    if not commutative and collective in IN_RANK_ORDER:
        algorithm = IN_RANK_ORDER[collective]
        return Choice(collective, algorithm, engine, "the operation does not commute: rank order kept", "none")
    table = MORE_RANKS_THAN_CORES if crowded else A_CORE_EACH
    if collective not in table:
        raise ScheduleError(f"no choice for {collective!r}: name an algorithm, or one of {', '.join(table)}")
    rows = table[collective]
    place = next(i for i, row in enumerate(rows) if row.up_to is None or nbytes <= row.up_to)
    bounds = [f"above {_size(row.up_to)}" for row in rows[:place][-1:]] + [
        f"up to {_size(row.up_to)}" for row in rows[place : place + 1] if row.up_to is not None
    ]
    where = "more ranks than cores" if crowded else "a core for each rank"
    reason = f"table: {', '.join([*bounds, where])}"
    return Choice(collective, rows[place].algorithm, engine, reason, rows[place].runner_up)


def _size(nbytes: int | None) -> str:
    """A bound in words; a row without one is the last, and bounds nothing."""
    if nbytes is None:
        return "any size"
    return f"{nbytes // MIB} MiB" if nbytes >= MIB else f"{nbytes // KIB} KiB"
