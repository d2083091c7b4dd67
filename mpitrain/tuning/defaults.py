"""The tables that stand where nobody has measured: one node, sizes in rows.

A row lists ways from the best down; the first that is possible here is taken, the next one is the runner-up. Where
every rank has a core, messages travel side by side and the textbooks hold: few steps for small data, few bytes for
large. Where ranks outnumber cores, each message costs a change of process instead, and ways with few messages in a row
win. On one node nothing beats working in each other's memory, but for data so small that Python's own steps count:
there the MPI library's compiled loop does. `docs/performance.md` has the measurements.
"""

from typing import NamedTuple

from mpitrain.tuning.choice import KIB, MIB, Allowed, Choice, Way, size_in_words


class Row(NamedTuple):
    up_to: int | None  # bytes; None: any
    ways: tuple[Way, ...]


Table = dict[str, tuple[Row, ...]]


def row(up_to: int | None, *ways: str) -> Row:
    """From "shared direct" or "library"."""
    return Row(up_to, tuple(map(Way.of, ways)))


A_CORE_EACH: Table = {
    "allreduce": (
        row(16 * KIB, "library", "shared direct", "mpi recursive_doubling", "mpi halving_doubling"),
        row(MIB, "shared direct", "library", "mpi halving_doubling", "mpi ring"),
        row(None, "shared direct", "mpi ring", "library"),
    ),
    "reduce_scatter": (
        row(16 * KIB, "library", "shared direct", "mpi recursive_halving"),
        row(MIB, "shared direct", "mpi recursive_halving", "mpi ring"),
        row(None, "shared direct", "mpi ring", "mpi direct"),
    ),
    "allgather": (
        row(16 * KIB, "library", "shared direct", "mpi recursive_doubling"),
        row(None, "shared direct", "mpi ring", "library"),
    ),
    "bcast": (
        row(32 * KIB, "library", "shared direct", "mpi binomial_tree"),
        row(None, "shared direct", "mpi scatter_allgather", "library"),
    ),
    "reduce": (
        row(16 * KIB, "library", "shared direct", "mpi binomial_tree"),
        row(None, "shared direct", "mpi halving_gather", "library"),
    ),
    "gather": (
        row(8 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared linear", "library", "mpi linear"),
    ),
    "scatter": (
        row(8 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared linear", "library", "mpi linear"),
    ),
    "alltoall": (
        row(8 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared pairwise", "library", "mpi pairwise"),
    ),
    "scan": (
        row(4 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared linear", "library", "mpi linear"),
    ),
    "exscan": (
        row(4 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared linear", "library", "mpi linear"),
    ),
    "barrier": (row(None, "library", "mpi dissemination", "shared dissemination"),),
}

MORE_RANKS_THAN_CORES: Table = A_CORE_EACH | {
    "allreduce": (
        row(16 * KIB, "library", "shared direct", "mpi binomial_tree", "mpi direct"),
        row(64 * KIB, "shared direct", "library", "mpi binomial_tree"),
        row(None, "shared direct", "mpi direct", "library"),
    ),
    "reduce_scatter": (
        row(16 * KIB, "library", "shared direct", "mpi direct"),
        row(None, "shared direct", "mpi direct", "mpi recursive_halving"),
    ),
    "allgather": (
        row(16 * KIB, "library", "shared direct", "mpi direct"),
        row(None, "shared direct", "mpi direct", "library"),
    ),
    "bcast": (
        row(64 * KIB, "library", "shared direct", "mpi binomial_tree"),
        row(MIB, "shared direct", "library", "mpi binomial_tree"),
        row(None, "shared direct", "mpi direct", "library"),
    ),
    "reduce": (
        row(16 * KIB, "library", "shared direct", "mpi binomial_tree"),
        row(None, "shared direct", "mpi binomial_tree", "mpi direct"),
    ),
    "gather": (
        row(32 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared linear", "library", "mpi linear"),
    ),
    "alltoall": (
        row(32 * KIB, "library", "shared linear", "mpi linear"),
        row(None, "shared pairwise", "library", "mpi pairwise"),
    ),
}

ELSEWHERE: Table = {
    "allreduce": (
        row(512 * KIB, "shared direct", "library"),
        row(8 * MIB, "library", "shared direct"),
        row(None, "shared direct", "library"),
    ),
    "reduce_scatter": (row(None, "shared direct", "library"),),
    "allgather": (row(None, "library", "shared direct"),),
    "bcast": (row(None, "library", "shared direct"),),
    "reduce": (row(8 * MIB, "library", "shared direct"), row(None, "shared direct", "library")),
    "gather": (row(MIB, "shared linear", "library"), row(None, "library", "shared linear")),
    "scatter": (row(MIB, "shared linear", "library"), row(None, "library", "shared linear")),
    "alltoall": (row(MIB, "shared pairwise", "library"), row(None, "library", "shared pairwise")),
}
"""Where the tables above take shared memory, but data must be copied there and back: what a plan takes instead."""

ONCE_ELSEWHERE: Table = ELSEWHERE | {
    "allreduce": (row(32 * MIB, "library", "shared direct"), row(None, "shared direct", "library")),
    "reduce_scatter": (row(2 * MIB, "library", "shared direct"), row(None, "shared direct", "library")),
}
"""The same for a call without a plan, which must bind its steps anew to data that lie elsewhere."""

IN_RANK_ORDER = {"allreduce": "recursive_doubling", "reduce_scatter": "direct", "reduce": "direct"}
"""For operations that do not commute."""


def default(collective: str, nbytes: int, crowded: bool, allowed: Allowed) -> Choice:
    """What these tables say of a collective that they have; `crowded`: ranks outnumber cores."""
    if not allowed.commutative and collective in IN_RANK_ORDER:
        engine = allowed.engines[0]
        algorithm = "direct" if engine == "shared" else IN_RANK_ORDER[collective]
        return Choice(collective, algorithm, engine, "the operation does not commute: rank order kept", "none")
    table = MORE_RANKS_THAN_CORES if crowded else A_CORE_EACH
    where = "more ranks than cores" if crowded else "a core for each rank"
    return looked_up(table, collective, nbytes, allowed, where)


def default_elsewhere(collective: str, nbytes: int, once: bool, allowed: Allowed) -> Choice | None:
    """What to take instead of shared memory where data would have to be copied there and back; None: nothing better."""
    table = ONCE_ELSEWHERE if once else ELSEWHERE
    if collective not in table:
        return None
    choice = looked_up(table, collective, nbytes, allowed, "memory that ranks do not share")
    return None if choice.engine == "shared" else choice


def looked_up(table: Table, collective: str, nbytes: int, allowed: Allowed, where: str) -> Choice:
    rows = table[collective]
    place = next(i for i, row in enumerate(rows) if row.up_to is None or nbytes <= row.up_to)
    possible = [way for way in rows[place].ways if allowed.allows(collective, way)]
    bounds = [f"above {_bound(row)}" for row in rows[:place][-1:]] + [
        f"up to {_bound(row)}" for row in rows[place : place + 1] if row.up_to is not None
    ]
    reason = f"table: {', '.join([*bounds, where])}"
    runner_up = str(possible[1]) if len(possible) > 1 else "none"
    return Choice(collective, possible[0].algorithm, possible[0].engine, reason, runner_up)


def _bound(row: Row) -> str:
    """A bound in words; a row without one is the last, and bounds nothing."""
    return "any size" if row.up_to is None else size_in_words(row.up_to)
