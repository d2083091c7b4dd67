"""What the time of a call is made of: things counted, and bytes moved, whose cost depends on how much memory is in use.

A cost per byte has a value at each *knot*, and between two of them is interpolated on a logarithmic scale of bytes:
caches have no sharp edges. `NEAR` knots tell of the memory that one rank touches (its own caches); to that `FAR` knots
add what it costs more for all the memory that ranks of a node touch (the cache that they share, and main memory).
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import log

import numpy as np

from mpitrain.tuning.caches import DONE, MOVED, moved_bytes
from mpitrain.tuning.parts import Cell, Placed

KIB, MIB = 1 << 10, 1 << 20
NEAR = (32 * KIB, 128 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB)
FAR = (16 * MIB, 32 * MIB, 64 * MIB, 128 * MIB)
NOTHING_FAR = 8 * MIB
"""Bytes up to which `FAR` adds nothing."""

KNOTS = NEAR + FAR

COUNTED: Mapping[str, tuple[str, ...]] = {
    "shared": ("call", "group", "wait", "post", "copies", "combines", "signal"),
    "mpi": (
        "call", "stage", "local", "send", "receive", "short_bytes", "send_long", "receive_long", "copies", "combines",
        "signal",
    ),
}  # fmt: skip
"""By engine. `signal`: one rank waits for another on the longest way; `short_bytes`: of messages sent at once."""

MOVING: Mapping[str, tuple[str, ...]] = {
    engine: (*MOVED, "claim", *done, "beside") for engine, done in {"shared": DONE[:2], "mpi": DONE}.items()
}
"""By engine. `beside`: what ranks move while others are those that take longest; they share the way to memory."""


def place_of(engine: str, term: str, knot: int = 0) -> int:
    """Where a term, or its value at a knot, stands in a vector of them."""
    counted = COUNTED[engine]
    if term in counted:
        return counted.index(term)
    return len(counted) + MOVING[engine].index(term) * len(KNOTS) + knot


def number_of(engine: str) -> int:
    """Of all terms."""
    return len(COUNTED[engine]) + len(MOVING[engine]) * len(KNOTS)


def shares(own: float, everywhere: float) -> np.ndarray:
    """How much each knot counts, for `own` bytes that a rank touches of those that are touched `everywhere`."""
    near = _between(NEAR, own)
    far = _between((NOTHING_FAR, *FAR), everywhere)[1:]
    return np.array(near + far)


def _between(knots: Sequence[int], nbytes: float) -> list[float]:
    found = [0.0] * len(knots)
    above = bisect_right(knots, nbytes)
    if above in (0, len(knots)):
        found[min(above, len(knots) - 1)] = 1.0
        return found
    low, high = knots[above - 1], knots[above]
    found[above] = log(nbytes / low) / log(high / low)
    found[above - 1] = 1 - found[above]
    return found


def vectors(engine: str, order: Sequence[Placed], calls: int) -> np.ndarray:
    """For each of `calls` calls in a row, and each part, its terms: [call, part, term]. `signal` and `beside` are 0."""
    touched: dict[int, dict[Cell, float]] = {}
    for part, _ in order:
        cells = touched.setdefault(part.rank, {})
        for touch in part.touches:
            cells.update(dict.fromkeys((*touch.source, *touch.target), touch.nbytes))
    everywhere = sum({cell: n for cells in touched.values() for cell, n in cells.items()}.values())
    counts = {rank: shares(sum(cells.values()), everywhere) for rank, cells in touched.items()}
    found = np.zeros((calls, len(order), number_of(engine)))
    for call, moved in enumerate(moved_bytes(order, calls)):
        for at, (part, _) in enumerate(order):
            for term, count in part.counts.items():
                found[call, at, place_of(engine, term)] = count
            for term, nbytes in moved[at].items():
                first = place_of(engine, term)
                found[call, at, first : first + len(KNOTS)] = nbytes * counts[part.rank]
    return found
