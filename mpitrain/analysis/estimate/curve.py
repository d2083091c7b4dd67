"""Prices at all sizes at once: curves of lines, the cheapest of them, and where it changes.

An algorithm whose segments are fitted to the data is another one for each number of segments: its curve has pieces.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from math import inf
from typing import NamedTuple

from mpitrain.analysis.estimate.estimate import Begun, Estimate, estimate
from mpitrain.analysis.estimate.lines import Lines, Straight
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.network import Network

SEGMENT = 128 << 10
SEGMENTS: Sequence[tuple[int, int]] = ((0, 1), *((SEGMENT * count // 2 + 1, count) for count in (2, 4, 8, 16, 32, 64)))
"""From how many bytes on how many segments, as engines/fitting.py fits them."""


NEVER = Lines((Straight(Fraction(10**30), Fraction(10**30)),))
"""Where nothing is known of how long it takes at most."""


class Curve(NamedTuple):
    """`estimates[i]` holds from `starts[i]` bytes on."""

    name: str
    starts: tuple[int, ...]
    estimates: tuple[Estimate, ...]

    def at(self, nbytes: int) -> Estimate:
        """The estimate for data of this size."""
        return self.estimates[bisect_right(self.starts, nbytes) - 1]

    def seconds(self, nbytes: int) -> float:
        """What it takes at most: infinity if no such bound is known."""
        found = self.at(nbytes)
        return float(found.upper.at(nbytes)) if found.upper is not None else inf

    def known(self, nbytes: int) -> float:
        """What it takes at most, or at least where that is all that is known."""
        found = self.at(nbytes)
        return float((found.upper or found.lower).at(nbytes))

    def lines(self) -> Iterator[tuple[int, Straight]]:
        """Each line of what `seconds` takes, with the size from which on it holds: the first whole byte."""
        for start, stop, found in zip(self.starts, (*self.starts[1:], None), self.estimates, strict=True):
            for first, line in _lines(found.upper or NEVER):
                if stop is None or first < stop:
                    yield max(first, start), line


def _lines(lines: Lines) -> Iterator[tuple[int, Straight]]:
    first = 0
    yield first, lines.lines[0]
    for before, after in pairwise(lines.lines):
        crossing = (before.seconds - after.seconds) / (after.per_byte - before.per_byte)
        yield -(-crossing.numerator // crossing.denominator), after


def curve(name: str, algorithm: Algorithm, ranks: int, network: Network, nodes: int | tuple[int, ...] = ()) -> Curve:
    """An algorithm's prices at all sizes. `ScheduleError` if it does not apply to so many ranks."""
    found: dict[int, Estimate] = {}
    begun: Begun = {}
    starts, estimates = [], []
    fitting = "segments" in dict(algorithm.parameters).keys() - algorithm.given
    for start, segments in SEGMENTS if fitting else SEGMENTS[:1]:
        schedule = algorithm.fitted(segments=segments, ranks_per_node=nodes).schedule(ranks)
        if schedule.chunks not in found:  # as many chunks are the same program
            found[schedule.chunks] = estimate(schedule, network, begun=begun)
            starts.append(start)
            estimates.append(found[schedule.chunks])
    return Curve(name, tuple(starts), tuple(estimates))


def curves(collective: str, ranks: int, network: Network) -> list[Curve]:
    """Of all algorithms of the catalogue that apply to so many ranks, with parameters fitted to the network."""
    found = []
    for name, algorithm in CATALOGUE[collective].items():
        with suppress(ScheduleError):
            found.append(curve(name, algorithm, ranks, network, nodes_of(network, ranks)))
    return found


def nodes_of(network: Network, ranks: int) -> int | tuple[int, ...]:
    """The parameter `ranks_per_node` that fits: none where every rank is a node of its own."""
    each = network.node_sizes(ranks)
    if max(each) == 1:
        return ()
    return each[0] if all(count == each[0] for count in each[:-1]) else each


def best(curves: Sequence[Curve], nbytes: int) -> Curve:
    """The cheapest at this size."""
    return min(curves, key=lambda curve: curve.seconds(nbytes))


class Reign(NamedTuple):
    """From `first` bytes on this algorithm is the cheapest."""

    first: int
    name: str


def reigns(curves: Sequence[Curve]) -> list[Reign]:
    """Which is the cheapest from which size on, exactly. Of equals the one that stays so, then the first."""
    pieces = {curve.name: list(curve.lines()) for curve in curves}
    edges = sorted({first for lines in pieces.values() for first, _ in lines})
    found: list[Reign] = []
    for start, stop in zip(edges, (*edges[1:], None), strict=True):
        now = {name: [line for first, line in lines if first <= start][-1] for name, lines in pieces.items()}
        for reign in _reigns(now, start, stop):
            if not found or found[-1].name != reign.name:
                found.append(reign)
    return found


def _reigns(lines: Mapping[str, Straight], start: int, stop: int | None) -> Iterator[Reign]:
    """Between two sizes, where every curve is one line."""
    at = start
    while stop is None or at < stop:
        cheapest = min(lines, key=lambda name: (lines[name].seconds + lines[name].per_byte * at, lines[name].per_byte))
        yield Reign(at, cheapest)
        seconds, per_byte = lines[cheapest]
        # The first whole byte at which a flatter line is below this one.
        below: list[Fraction] = [
            (other.seconds - seconds) / (per_byte - other.per_byte)
            for other in lines.values()
            if other.per_byte < per_byte
        ]
        if not below:
            return
        at = max(at, min(below).__floor__()) + 1
