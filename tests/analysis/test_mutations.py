"""Faults put into the catalogue's programs by machine: the proof or the card catches every one.

A mutant that neither catches must be harmless, and that is decided from outside: the interpreter of `conftest` runs it
on numbers, on strings (where order counts), on depths of rounding, and on floats (where ranks must round alike), and it
must end, give the right result, and take exactly the rounds, bytes and roundings of the original. A dead value sent
the other way is an example; so is another side where the order is free.

Every kind and its count: python -m pytest -rP tests/analysis/test_mutations.py
"""

import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import wraps

import faults_of_messages  # noqa: F401 - fills the table of kinds
import faults_of_programs  # noqa: F401
import numpy as np
import pytest
from faults import KINDS

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import LEFT, ScheduleError

ALGORITHMS = [algorithm for family in CATALOGUE.values() for algorithm in family.values()]
SIZES = (2, 3, 4, 5, 8, 9)
PER_SCHEDULE = 4  # mutants of one kind of one schedule: a sample, drawn by a seed


def mutant(schedule, programs):
    """The same algorithm in name, card and claims, with other programs."""

    @wraps(schedule.algorithm.steps)
    def steps(rank, size, **parameters):
        return iter(programs[rank])

    return replace(schedule.algorithm, steps=steps).schedule(schedule.size, **schedule.parameters)


def is_caught(schedule):
    try:
        card.check(schedule, prove(schedule))
    except ScheduleError:
        return True
    return False


def add(own, incoming, side, weight):
    if weight is not None:
        return (1 - weight) * own + weight * incoming
    return incoming + own if side is LEFT else own + incoming


def heard(own, incoming, side, weight):
    """Who has come, as bits: to hear of a rank twice does no harm."""
    return own | incoming


def deeper(own, incoming, side, weight):
    return np.maximum(own, incoming) + 1


@pytest.fixture(scope="module")
def is_harmless(by_definition, promised):
    """Whether a mutant is as good as the original, by what it does to data."""

    def ends(schedule, inputs, lengths, combine):
        run = by_definition(schedule, inputs, lengths, combine)
        kept = [
            list(part) if promised(schedule, rank, chunk) else None
            for rank, parts in enumerate(run.chunks)
            for chunk, part in enumerate(parts)
        ]
        return kept, run.rounds, max(run.sent)

    def is_harmless(wrong, original):
        algorithm, chunks, ranks = original.algorithm, original.chunks, range(original.size)
        blocks = [2] * chunks if algorithm.equal_blocks else [chunk + 1 for chunk in range(chunks)]
        count, chance = sum(blocks), np.random.default_rng(5)
        lengths = [blocks[r:] + blocks[:r] for r in ranks] if algorithm.collective == "alltoall" else blocks
        numbers = [np.array([Fraction(int(n)) for n in chance.integers(1, 1 << 40, count)], object) for _ in ranks]
        strings = [np.array([f"{rank}:{at} " for at in range(count)], object) for rank in ranks]
        depths = [np.zeros(count, int) for _ in ranks]
        floats = [chance.standard_normal(count).astype(np.float32) for _ in ranks]
        trials = [(numbers, add), (depths, deeper)]
        if algorithm.ordered:
            trials.append((strings, add))
        if "alike      yes" in algorithm.description:
            trials.append((floats, add))
        if algorithm.collective == "barrier":
            trials = [([np.full(count, 1 << rank, object) for rank in ranks], heard)]
        try:
            for inputs, combine in trials:
                found, expected = (ends(schedule, inputs, lengths, combine) for schedule in (wrong, original))
                if inputs is floats:
                    found, expected = (is_alike(result[0], chunks) for result in (found, expected))
                elif inputs is depths:
                    found, expected = (
                        (max((max(part) for part in result[0] if part), default=0), *result[1:])
                        for result in (found, expected)
                    )
                elif algorithm.collective == "gossip":
                    found, expected = ((sum(sum(part) for part in r[0]), *r[1:]) for r in (found, expected))
                if found != expected:
                    return False
        except (by_definition.Stuck, IndexError, ValueError, TypeError, KeyError):
            return False
        return True

    return is_harmless


def is_alike(kept, chunks):
    """Whether all ranks that hold a chunk hold the same bits."""
    return [len({np.array(part).tobytes() for part in kept[chunk::chunks] if part}) <= 1 for chunk in range(chunks)]


def mutants(kind, schedule):
    """A few mutants of this kind, always the same ones. What the change left as it was is none."""
    found = [programs for programs in KINDS[kind](schedule, schedule.programs) if programs != schedule.programs]
    chosen = random.Random(f"{kind} {schedule}").sample(found, min(PER_SCHEDULE, len(found)))
    return [mutant(schedule, programs) for programs in chosen]


@pytest.mark.parametrize("kind", KINDS)
def test_caught(kind, is_harmless, record_property):
    verdicts = Counter()
    for algorithm in ALGORITHMS:
        for size in SIZES:
            for schedule in algorithm.schedules(size)[: size : max(1, size // 2)]:
                for wrong in mutants(kind, schedule):
                    caught = is_caught(wrong)
                    verdicts["caught" if caught else "harmless"] += 1
                    assert caught or is_harmless(wrong, schedule), f"{kind} in {schedule}: {wrong.programs}"
    record_property("verdicts", dict(verdicts))
    assert verdicts["caught"] > 0
    print(f"{kind:40} {verdicts['caught']:5} caught {verdicts['harmless']:5} harmless")


def test_there_are_enough_kinds():
    assert len(KINDS) >= 20


def test_the_original_is_neither_caught_nor_harmful(is_harmless):
    """Else every mutant would be."""
    for algorithm in ALGORITHMS:
        for size in SIZES:
            schedule = algorithm.schedule(size)
            same = mutant(schedule, schedule.programs)
            assert not is_caught(same)
            assert is_harmless(same, schedule)
