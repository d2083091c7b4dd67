"""How slow a rank is at any time: its own speed, standing faults, and bursts.

A change is (from, to, factor): in that time everything takes `factor` times longer, `math.inf` for not at all. Changes
may overlap, and multiply.
"""

from collections.abc import Iterator, Sequence
from math import inf
from random import Random

from mpitrain.network import Number

Change = tuple[Number, Number, Number]


class Pace:
    """Of one rank. `bursts` give changes one after the other, in order, for ever."""

    __slots__ = ("_bursts", "changes", "factor")

    def __init__(self, factor: Number = 1, bursts: Sequence[Iterator[Change]] = ()):
        self.factor = factor
        self._bursts = [(next(coming), coming) for coming in bursts]  # with the next of each
        self.changes: list[Change] = [change for change, _ in self._bursts]

    def finish(self, start: Number, seconds: Number) -> Number:
        """When something is done that takes so many seconds undisturbed; `inf` for never."""
        left = seconds * self.factor
        if not self.changes:
            return start + left
        now = start
        while True:
            factor, until = self._at(now)
            if factor != inf and now + left * factor <= until:
                return now + left * factor
            if until == inf:
                return inf
            left -= (until - now) / factor
            now = until

    def _at(self, now: Number) -> tuple[Number, Number]:
        """The factor at a time, and until when it holds."""
        for at, (latest, coming) in enumerate(self._bursts):
            while latest[0] <= now:
                latest = next(coming)
                self.changes.append(latest)
            self._bursts[at] = (latest, coming)
        self.changes = [change for change in self.changes if change[1] > now]
        factor: Number = 1
        until: Number = inf
        for begin, end, slower in self.changes:
            if begin <= now < end:
                factor, until = factor * slower, min(until, end)
            elif begin > now:
                until = min(until, begin)
        return factor, until


def bursts(random: Random, every: Number, lasting: Number, slowdown: Number) -> Iterator[Change]:
    """A burst somewhere in each stretch of `every` seconds, evenly: no logarithms, which differ between machines."""
    start: Number = 0
    while True:
        begin = start + every * random.random()
        yield (begin, begin + lasting, slowdown)
        start += every
