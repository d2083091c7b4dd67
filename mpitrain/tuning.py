"""Which algorithm `auto` takes: a table of sizes, and the reason in words. Pure.

The default rows come from runs of 2 to 8 ranks on one node over messages; `docs/performance.md` has the numbers.
"""

from typing import NamedTuple


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


TABLE: dict[str, tuple[Row, ...]] = {
    "allreduce": (
        Row(64 << 10, "recursive_doubling", "halving_doubling"),
        Row(None, "halving_doubling", "ring"),
    ),
    "reduce_scatter": (Row(None, "halving_doubling", "ring"),),
    "allgather": (Row(64 << 10, "recursive_doubling", "ring"), Row(None, "ring", "recursive_doubling")),
    "bcast": (Row(64 << 10, "binomial_tree", "halving_doubling"), Row(None, "halving_doubling", "binomial_tree")),
    "reduce": (Row(64 << 10, "binomial_tree", "halving_doubling"), Row(None, "halving_doubling", "binomial_tree")),
    "alltoall": (Row(None, "bruck", "library"),),
    "exscan": (Row(None, "recursive_doubling", "library"),),
}

IN_RANK_ORDER = {"allreduce": "recursive_doubling", "reduce_scatter": "direct", "reduce": "direct"}
"""For operations that do not commute."""


def choose(collective: str, nbytes: int, engine: str, *, commutative: bool = True) -> Choice:
    """The choice for data of `nbytes` bytes."""
    row = next(row for row in TABLE[collective] if row.up_to is None or nbytes <= row.up_to)
    if not commutative and collective in IN_RANK_ORDER:
        algorithm = IN_RANK_ORDER[collective]
        return Choice(collective, algorithm, engine, "the operation does not commute: rank order kept", "none")
    reach = "any size" if len(TABLE[collective]) == 1 else _reach(row, TABLE[collective])
    return Choice(collective, row.algorithm, engine, f"default table: {reach}", row.runner_up)


def _reach(row: Row, rows: tuple[Row, ...]) -> str:
    if row.up_to is not None:
        return f"up to {row.up_to >> 10} KiB"
    largest = max(other.up_to for other in rows if other.up_to is not None)
    return f"above {largest >> 10} KiB"
