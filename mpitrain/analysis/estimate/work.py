"""What a step takes a rank if it waits for nobody: its ports' time and its sums."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat
from typing import NamedTuple

from mpitrain.analysis.estimate.costs import Costs, Crowd
from mpitrain.analysis.estimate.lines import ZERO, Envelope, Line, highest, later, plus
from mpitrain.analysis.estimate.sample import Part, Parts


class Work(NamedTuple):
    """What its messages take at the port out and at the port in, and what it sums."""

    sending: Line
    receiving: Line
    summing: Line

    @property
    def envelope(self) -> Envelope:
        """Both ports are busy at one time."""
        return plus(later((self.sending,), (self.receiving,)), self.summing)


def works_of(rank: int, program: Parts, costs: Costs, crowds: Sequence[Crowd] | None = None) -> list[Work]:
    """Of each step. `crowds`: how many share the port of the rank's node meanwhile, if somebody has counted."""
    alike: dict[Hashable, Work] = {}
    found = []
    if costs.wire is None:
        for part, crowd in zip(program, repeat(None) if crowds is None else crowds, strict=crowds is not None):
            work = alike.get((part, crowd))
            if work is None:
                work = alike[part, crowd] = _work(rank, part, costs, crowd)
            found.append(work)
        return found
    for part in program:
        # On a flat network it does not matter with whom.
        key = (len(part.sends), len(part.receives), part.sums, _chunks(part.sends), _chunks(part.receives))
        work = alike.get(key)
        if work is None:
            work = alike[key] = _work(rank, part, costs)
        found.append(work)
    return found


def _chunks(messages: tuple[tuple[int, int], ...]) -> int:
    return messages[0][1] if len(messages) == 1 else sum([chunks for _, chunks in messages])


def _work(rank: int, part: Part, costs: Costs, crowd: Crowd | None = None) -> Work:
    out, into = (None, None) if crowd is None else crowd
    return Work(
        _total(costs.message(rank, peer, chunks, crowd=out) for peer, chunks in part.sends),
        _total(costs.message(peer, rank, chunks, crowd=into) for peer, chunks in part.receives),
        (0, costs.gamma * part.sums),
    )


def _total(lines: Iterable[Line]) -> Line:
    alpha = beta = 0
    for a, b in lines:
        alpha, beta = alpha + a, beta + b
    return alpha, beta


def one_after_the_other(steps: Iterable[Envelope]) -> Envelope:
    """How long steps take that follow each other."""
    return _total_of(Counter(steps))


def alone(works: Iterable[Work]) -> Envelope:
    """How long a rank takes that waits for nobody."""
    envelopes: Counter[Envelope] = Counter()
    for work, times in Counter(works).items():
        envelopes[work.envelope] += times
    return _total_of(envelopes)


def _total_of(steps: Counter[Envelope]) -> Envelope:
    total = ZERO
    for envelope, times in steps.items():
        total = highest((a + times * c, b + times * d) for a, b in total for c, d in envelope)
    return total
