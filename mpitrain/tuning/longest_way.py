"""Clocks walk through all ranks' parts, some calls after each other: what the time of a call is made of.

A bench makes calls in a row, so that what counts is by how much time grows with each: ranks that have less to do run
ahead, as far as the others let them. The first calls fill caches and are not counted. The parts that follow each other
on the longest way through the others make up the time; what ranks move meanwhile shares the way to memory with them.
"""

from collections.abc import Sequence

import numpy as np

from mpitrain.tuning.caches import MOVED
from mpitrain.tuning.parts import Placed
from mpitrain.tuning.terms import KNOTS, place_of, vectors

FIRST, COUNTED = 2, 2
"""Calls that do not count, and calls that do."""


class Walk:
    """Of one schedule on data of one size, on one engine. `order` are all ranks' parts."""

    def __init__(self, engine: str, order: Sequence[Placed]):
        self.engine, self._order = engine, order
        first, then = vectors(engine, order, 2)
        self._calls = [first, *[then] * (FIRST + COUNTED - 1)]
        self._signal = place_of(engine, "signal")
        self._moved = [place_of(engine, term) for term in MOVED]
        self._beside = place_of(engine, "beside")

    def terms(self, costs: np.ndarray) -> np.ndarray:
        """The terms of one call, on the way that takes longest with these costs."""
        signal, size = costs[self._signal], len(self._order)
        ended: list[float] = []
        before: list[int | None] = []  # what each part came after last
        latest: dict[int, int] = {}  # each rank's last part
        slowest: list[int] = []  # the part that ends last, when each call has ended
        for number, call in enumerate(self._calls):
            for at, (seconds, (part, after)) in enumerate(zip((call @ costs).tolist(), self._order, strict=True)):
                last = latest.get(part.rank)
                began = 0.0 if last is None else ended[last]
                for other in after:
                    if (then := ended[number * size + other] + signal) > began:
                        began, last = then, number * size + other
                before.append(last)
                ended.append(began + seconds)
                latest[part.rank] = number * size + at
            slowest.append(max(latest.values(), key=lambda part: ended[part]))
        found = (self._along(slowest[-1], before) - self._along(slowest[FIRST - 1], before)) / COUNTED
        everything = self._calls[-1].sum(axis=0)
        for first in self._moved:
            knots = slice(first, first + len(KNOTS))
            found[self._beside : self._beside + len(KNOTS)] += np.maximum(everything[knots] - found[knots], 0)
        return found

    def _along(self, part: int | None, before: Sequence[int | None]) -> np.ndarray:
        """All terms on the longest way to a part."""
        size = len(self._order)
        found = np.zeros(self._calls[0].shape[1])
        while part is not None:
            found += self._calls[part // size][part % size]
            last = before[part]
            if last is not None and self._order[last % size].part.rank != self._order[part % size].part.rank:
                found[self._signal] += 1
            part = last
        return found
