"""Whose cache holds what: the bytes that parts move, by what they cost, once a call follows others like it.

    read_own     in the rank's own cache, or nobody's
    read_other   written last by another rank, in whose cache it is
    write        anything; it has to go back to memory some day
    claim        written though another rank's cache holds it, which must give it up
    copy, combine, pull, pull_private   what is done with the bytes, wherever they are

A part goes through its memory tile by tile: what it touches twice is in the first cache the second time, and costs
nothing but what is done with it.

    Papamarcos and Patel, A low-overhead coherence solution for multiprocessors with private cache memories, ISCA 1984
"""

from collections.abc import Iterable

from mpitrain.tuning.parts import Cell, Placed, Touch

MOVED = ("read_own", "read_other", "write")
"""What goes through the caches and may go on to memory."""

DONE = ("copy", "combine", "pull", "pull_private")


class Caches:
    """Which ranks hold each cell, and who wrote it if nobody else has looked since."""

    def __init__(self) -> None:
        self._holders: dict[Cell, set[int]] = {}
        self._writer: dict[Cell, int | None] = {}

    def bytes_of(self, rank: int, touches: Iterable[Touch]) -> dict[str, float]:
        """What a part moves, by kind. The caches are as it leaves them then."""
        moved: dict[str, float] = {}
        touched: set[Cell] = set()

        def add(kind: str, nbytes: float) -> None:
            moved[kind] = moved.get(kind, 0) + nbytes

        for how, source, target, nbytes in touches:
            for cell in (*source, *target) if how == "combine" else source:
                kind = self._read(rank, cell)
                if cell not in touched:
                    add(kind, nbytes)
                    touched.add(cell)
            for cell in target:
                if self._write(rank, cell):
                    add("claim", nbytes)
                if how == "combine" or cell not in touched:
                    add("write", nbytes)
                    touched.add(cell)
                add(how, nbytes)
        return moved

    def _read(self, rank: int, cell: Cell) -> str:
        holders = self._holders.setdefault(cell, set())
        if rank in holders:
            return "read_own"
        holders.add(rank)
        return "read_own" if self._writer.pop(cell, None) is None else "read_other"

    def _write(self, rank: int, cell: Cell) -> bool:
        """Whether another rank's cache holds it."""
        held = not self._holders.get(cell, set()) <= {rank}
        self._holders[cell], self._writer[cell] = {rank}, rank
        return held


def moved_bytes(order: Iterable[Placed], calls: int) -> list[list[dict[str, float]]]:
    """Of each of some calls in a row, of each part."""
    order, caches = list(order), Caches()
    return [[caches.bytes_of(part.rank, part.touches) for part, _ in order] for _ in range(calls)]
