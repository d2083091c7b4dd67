"""An algorithm's card: what its docstring claims, and whether that is so.

    steps      2 * (p - 1)               steps that must follow each other
    bytes      2 * n * (p - 1) / p       bytes sent by the rank that sends most, of n
    roundings  p - 1                     the longest chain of additions behind a result
    alike      yes                       ranks that end with the same sum hold the same bits
    order      any                       contributions combine in rank order ("rank") or in any
    sizes      any                       worlds it works for
    paper      Patarasuk and Yuan, ...   where it comes from

Formulas are Python in p (ranks), n (bytes), core (the largest power of two up to p), guests (p - core), the root, the
algorithm's parameters, functions of its module, and what a function `terms` of its module adds for the collective and
its parameters. steps(a, sizes), bytes and roundings stand for the cards of an algorithm, or of several after each
other, at the size where they cost most. A formula that begins with "at most" is a bound. A line "where" may say what
names mean.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from inspect import isfunction, unwrap
from math import prod

from mpitrain.analysis.price import bytes_sent
from mpitrain.analysis.prove import Proof
from mpitrain.analysis.rounds import rounds
from mpitrain.collectives.algorithm import Algorithm, Schedule
from mpitrain.collectives.folding import core_size
from mpitrain.collectives.schedule import ScheduleError

LINES = ("steps", "bytes", "roundings", "alike", "order", "sizes", "paper")
AT_MOST = "at most "


def read(algorithm: Algorithm) -> dict[str, str]:
    """The lines of the card in the algorithm's docstring; `ScheduleError` if one is missing."""
    card = dict(re.findall(rf"^\s*({'|'.join(LINES)}|where) {{2,}}(.+)$", algorithm.description, re.MULTILINE))
    missing = [name for name in LINES if name not in card]
    if missing:
        raise ScheduleError(f"{algorithm} has no {', '.join(missing)} on its card")
    return card


def evaluate(formula: str, schedule: Schedule) -> Fraction:
    """A card's formula for one schedule, for n = 1."""
    size = schedule.size
    core = core_size(size)
    written_in = getattr(unwrap(schedule.algorithm.steps), "__globals__", {})
    terms = written_in.get("terms")
    names = {
        **{name: value for name, value in written_in.items() if isfunction(value)}, **schedule.parameters,
        **{line: partial(_cost, line) for line in ("steps", "bytes", "roundings")},
        **(terms(schedule.algorithm.collective, size, **schedule.parameters) if terms else {}),
        "root": schedule.root, "p": size, "n": Fraction(1), "core": core, "guests": size - core,
        "log2": lambda x: x.bit_length() - 1, "ceil_log2": lambda x: (x - 1).bit_length(),
        "min": min, "max": max, "sum": sum, "prod": prod, "range": range, "len": len,
    }  # fmt: skip
    try:
        return Fraction(eval(formula.removeprefix(AT_MOST), {"__builtins__": {}, **names}))
    except (SyntaxError, NameError, TypeError, ValueError, ArithmeticError) as error:
        raise ScheduleError(f"the card's formula {formula!r} at p = {size}: {error}") from None


def _cost(line: str, parts: Algorithm | Sequence[Algorithm], sizes: int | Sequence[int]) -> Fraction:
    """What the cards of an algorithm, or of several that follow each other, say at the dearest of these sizes."""
    return max(
        sum(
            (
                evaluate(read(part)[line], part.schedule(size))
                for part in ([parts] if isinstance(parts, Algorithm) else parts)
            ),
            Fraction(0),
        )
        for size in ([sizes] if isinstance(sizes, int) else sizes)
    )


def check(schedule: Schedule, proof: Proof) -> None:
    """`ScheduleError` where the schedule is not what its card says. "any" and "no" claim nothing at a single size."""
    card = read(schedule.algorithm)
    measured = {
        "steps": Fraction(rounds(schedule)),
        "bytes": max(bytes_sent(schedule, rank) for rank in range(schedule.size)),
        "roundings": Fraction(proof.roundings),
    }
    for name, found in measured.items():
        expected = evaluate(card[name], schedule)
        if found > expected or (found < expected and not card[name].startswith(AT_MOST)):
            raise ScheduleError(
                f"{schedule}: the card's {name} do not hold", expected=f"{card[name]} = {expected}", found=found
            )
    for name, claimed, holds in (
        ("alike", card["alike"] == "yes", proof.alike),
        ("order", card["order"] == "rank", proof.ordered),
    ):
        if claimed and not holds:
            raise ScheduleError(f"{schedule}: the card's {name} does not hold", expected=card[name], found="not so")
