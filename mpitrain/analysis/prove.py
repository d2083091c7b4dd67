"""Prove a schedule: run it on symbolic values and compare with what its collective promises.

A value is whose contributions it holds, in which order, with which weights. Each must arrive exactly once, every rank
must end with what the collective promises, lengths must agree wherever data move, nothing may be read before it is
written, and no rank may wait for ever even if every send is synchronous (`replay`). Uneven and empty chunks need no
proof of their own: the walk does not look at counts.
"""

from dataclasses import dataclass
from fractions import Fraction

from mpitrain.analysis.memory import Memory
from mpitrain.analysis.promise import PROMISES, Contributions, spell
from mpitrain.analysis.replay import replay
from mpitrain.analysis.values import Heard, Mixture, Mixtures, Sum, Sums
from mpitrain.collectives.algorithm import Opaque, Schedule
from mpitrain.collectives.schedule import ScheduleError


@dataclass(frozen=True)
class Proof:
    """A schedule keeps its collective's promise, and this is how.

    `roundings` is the longest chain of additions behind a result, `alike` whether ranks that end with the same sum hold
    the same bits, `ordered` whether contributions stand in rank order everywhere, `exact` whether a gossip ends with
    the mean (True for every other collective).
    """

    schedule: Schedule
    roundings: int
    alike: bool
    ordered: bool
    exact: bool = True

    def __str__(self) -> str:
        traits = [f"{self.roundings} roundings"]
        traits += [
            text
            for text, holds in (
                ("all ranks alike", self.alike),
                ("rank order kept", self.ordered),
                ("exact mean", self.exact and self.schedule.algorithm.collective == "gossip"),
            )
            if holds
        ]
        return f"{self.schedule}: proved, {', '.join(traits)}"


def prove(schedule: Schedule | Opaque) -> Proof:
    """The proof of `schedule`, or `ScheduleError` saying rank, step, chunk, what was expected and what was found."""
    if isinstance(schedule, Opaque):
        raise ScheduleError(f"{schedule} is opaque: its steps are the library's own, there is nothing to prove")
    return _prove_gossip(schedule) if schedule.algorithm.collective == "gossip" else _prove_sums(schedule)


def _prove_sums(schedule: Schedule) -> Proof:
    """Every rank ends with exactly the contributions that its collective promises."""
    memory = Memory[Sum](schedule, Heard() if schedule.algorithm.collective == "barrier" else Sums())
    replay(schedule, memory)
    after = PROMISES[schedule.algorithm.collective].after
    roundings, ordered, alike = 0, True, True
    named: dict[Contributions, int] = {}
    for rank in range(schedule.size):
        for chunk in range(schedule.chunks):
            expected = after(schedule, rank, chunk)
            if expected is None:
                continue
            end = memory.result(rank, chunk)
            found = end.contributions if end else ()
            if end is None or tuple(sorted(found)) != expected:
                raise ScheduleError(
                    "ends with the wrong value", rank=rank, chunk=chunk, expected=spell(expected), found=spell(found)
                )
            roundings = max(roundings, end.roundings)
            ordered = ordered and found == expected
            alike = alike and named.setdefault(expected, end.rounding) == end.rounding
    return Proof(schedule, roundings, alike, ordered)


def _prove_gossip(schedule: Schedule) -> Proof:
    """Each rank ends with a weighted mean, and each contribution weighs as much in all ends together as any other."""
    memory = Memory[Mixture](schedule, Mixtures())
    replay(schedule, memory)
    after = PROMISES["gossip"].after
    roundings, alike, exact = 0, True, True
    for chunk in range(schedule.chunks):
        ends = [end for rank in range(schedule.size) if (end := memory.result(rank, chunk))]
        for rank, end in enumerate(ends):
            contributions = after(schedule, rank, chunk) or ()
            own = contributions[rank]
            for fault, weights in (
                ("the weights here do not form a mean", list(end.weights.values())),
                (f"{spell((own,))} gains or loses weight", [e.weights.get(own, Fraction(0)) for e in ends]),
            ):
                if sum(weights) != 1 or min(weights) < 0:
                    raise ScheduleError(
                        fault, rank=rank, chunk=chunk, expected="weights of 0 or more and of sum 1",
                        found=" + ".join(str(weight) for weight in weights if weight),
                    )  # fmt: skip
            roundings = max(roundings, end.roundings)
            alike = alike and end.rounding == ends[0].rounding
            exact = exact and all(end.weights.get(c) == Fraction(1, schedule.size) for c in contributions)
    return Proof(schedule, roundings, alike, ordered=False, exact=exact)
