"""Seconds as a function of bytes: the upper envelope of lines.

Times are sums, and the later of two, of terms that grow with the data or do not. Such a function of n is convex and
piecewise linear: the highest of a few lines a + b n. Kept as that, one walk through a schedule gives its price at every
size, and where two algorithms cross follows without a search.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

Line = tuple[int, int]
"""(a, b): a + b n, in whole units."""

Envelope = tuple[Line, ...]
"""The highest of these lines at any n >= 0: from each to the next a falls and b rises; each is highest somewhere."""

ZERO: Envelope = ((0, 0),)


def plus(envelope: Envelope, line: Line) -> Envelope:
    """Later by so much."""
    if len(envelope) == 1:
        return ((envelope[0][0] + line[0], envelope[0][1] + line[1]),)
    return tuple((a + line[0], b + line[1]) for a, b in envelope)


def later(first: Envelope, second: Envelope) -> Envelope:
    """The later of two."""
    if len(first) == 1 and len(second) == 1:
        (a, b), (c, d) = first[0], second[0]
        if a >= c and b >= d:
            return first
        if a <= c and b <= d:
            return second
    return highest((*first, *second))


def never_before(first: Envelope, second: Envelope) -> bool:
    """Whether `first` is at no size earlier than `second`."""
    if len(first) == 1 and len(second) == 1:
        return first[0][0] >= second[0][0] and first[0][1] >= second[0][1]
    return later(first, second) == first


def highest(lines: Iterable[Line]) -> Envelope:
    """The envelope of any lines."""
    found: list[Line] = []
    for a, b in sorted(set(lines), key=lambda line: (line[1], line[0])):
        while found and (found[-1][0] <= a or (len(found) > 1 and _hidden(found[-2], found[-1], (a, b)))):
            found.pop()
        found.append((a, b))
    return tuple(found)


def _hidden(left: Line, middle: Line, right: Line) -> bool:
    """Whether `middle` is nowhere above both others: where they cross, it is below. Slopes rise from left to right."""
    return (left[0] - right[0]) * (middle[1] - left[1]) <= (left[0] - middle[0]) * (right[1] - left[1])


class Straight(NamedTuple):
    """`seconds` and `per_byte`: seconds + per_byte n."""

    seconds: Fraction
    per_byte: Fraction


class Lines(NamedTuple):
    """Seconds for n bytes: the highest of these lines, the flattest first."""

    lines: tuple[Straight, ...]

    @classmethod
    def of(cls, envelope: Envelope, unit: int, chunks: int) -> "Lines":
        """An envelope in units of 1 / unit seconds, whose data are so many chunks of one byte."""
        return cls(tuple(Straight(Fraction(a, unit), Fraction(b, unit * chunks)) for a, b in envelope))

    def at(self, nbytes: int | Fraction) -> Fraction:
        """Seconds, exactly."""
        return max(seconds + per_byte * nbytes for seconds, per_byte in self.lines)
