"""Every algorithm of the catalogue is proved, and its card is exact; what is wrong is named with its place."""

from fractions import Fraction

import numpy as np
import pytest

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives import one_peer_exponential, ring
from mpitrain.collectives.algorithm import Algorithm, Opaque, per_rank, whole
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import (
    INPUT,
    LEFT,
    OUTPUT,
    SCRATCH,
    Combine,
    Copy,
    Move,
    Reduce,
    ScheduleError,
    Send,
    Step,
)

ALGORITHMS = [pytest.param(a, id=str(a)) for family in CATALOGUE.values() for a in family.values()]
SIZES = range(1, 34)


def schedules(algorithm, size):
    """Several roots, if it has one."""
    found = algorithm.schedules(size)
    return [found[root] for root in sorted({0, 1 % len(found), len(found) // 2, len(found) - 1})]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_proved_and_exactly_as_its_card_says(algorithm):
    claims = card.read(algorithm)
    assert claims["sizes"] == "any"
    proofs = [prove(schedule) for size in SIZES for schedule in schedules(algorithm, size)]
    for proof in proofs:
        card.check(proof.schedule, proof)
    # A card that claims less than it could is not exact: what it does not claim is violated somewhere.
    assert claims["alike"] == ("yes" if all(proof.alike for proof in proofs) else "no")
    assert claims["order"] == ("rank" if all(proof.ordered for proof in proofs) else "any")
    assert algorithm.ordered == (claims["order"] == "rank")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_proved_at_64_ranks(algorithm):
    schedule = algorithm.schedule(64)
    card.check(schedule, prove(schedule))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_card_agrees_with_an_independent_count(algorithm, by_definition, promised):
    """The interpreter counts rounds and chunks; run on "one more than the deeper of two", it counts roundings.

    To hear that somebody has come, as in a barrier, rounds nothing.
    """
    claims = card.read(algorithm)

    def deeper(own, incoming, side, weight):
        return np.maximum(own, incoming) + (algorithm.collective != "barrier")

    for size in range(1, 13):
        for schedule in schedules(algorithm, size):
            zeros = [np.zeros(schedule.chunks, int) for _ in range(size)]
            run = by_definition(schedule, zeros, [1] * schedule.chunks, deeper)
            depths = [
                depth
                for rank, output in enumerate(run.outputs)
                for chunk, depth in enumerate(output)
                if promised(schedule, rank, chunk)
            ]
            assert run.rounds == card.evaluate(claims["steps"], schedule)
            assert Fraction(max(run.sent), schedule.chunks) == card.evaluate(claims["bytes"], schedule)
            assert max(depths, default=0) == card.evaluate(claims["roundings"], schedule)


def test_gossip_is_exact_at_powers_of_two_only():
    exact = [size for size in SIZES if prove(one_peer_exponential.gossip.schedule(size)).exact]
    assert exact == [1, 2, 4, 8, 16, 32]


def test_what_is_opaque_cannot_be_proved():
    with pytest.raises(ScheduleError) as error:
        prove(Opaque("allreduce", "library", ""))
    assert str(error.value) == (
        "library.allreduce is opaque: its steps are the library's own, there is nothing to prove"
    )


def written(collective, *programs, chunks=whole, card="", **traits):
    """A schedule from every rank's steps."""

    def steps(rank, size):
        return iter(programs[rank])

    steps.__doc__ = card
    return Algorithm(collective, "written", steps, chunks, **traits).schedule(len(programs))


SWAP = [Step(send=[Send(1, 0)], recv=[Reduce(1, 0)])], [Step(send=[Send(0, 0)], recv=[Reduce(0, 0, side=LEFT)])]

WRONG = {
    "a rank that is not there": (
        written("allreduce", [Step(send=[Send(2, 0)])], []),
        "rank 0, step 0: talks to a rank that is not there: expected another rank below 2, found rank 2",
    ),
    "itself": (
        written("allreduce", [], [Step(), Step(recv=[Copy(1, 0)])]),
        "rank 1, step 1: talks to a rank that is not there: expected another rank below 2, found rank 1",
    ),
    "a circle of synchronous sends": (
        written("allreduce", *([Step(send=[Send(1 - r, 0)]), Step(recv=[Reduce(1 - r, 0)])] for r in range(2))),
        "rank 0, step 0: deadlock: expected progress, "
        "found waiting: rank 0 (step 0) for rank 1, rank 1 (step 0) for rank 0",
    ),
    "a circle of three that a fourth waits for": (
        written("allreduce", [Step(recv=[Copy(1, 0)])], *([Step(recv=[Copy(r % 3 + 1, 0)])] for r in (1, 2, 3))),
        "rank 1, step 0: deadlock: expected progress, "
        "found waiting: rank 1 (step 0) for rank 2, rank 2 (step 0) for rank 3, rank 3 (step 0) for rank 1",
    ),
    "a rank that has ended": (
        written("bcast", [Step(send=[Send(1, 0)])], []),
        "rank 0, step 0: waits for ever: expected rank 1 to meet a message, found its program has ended",
    ),
    "nothing there": (
        written("bcast", [Step(recv=[Copy(1, 0)])], [Step(send=[Send(0, 0)])]),
        "rank 1, step 0, chunk 0: reads a chunk that holds nothing yet: expected a value, found nothing",
    ),
    "nothing in scratch": (
        written("allreduce", [Step(), Step(local=[Combine(SCRATCH[0], OUTPUT[0])])]),
        "rank 0, step 1, chunk scratch.0: reads a chunk that holds nothing yet: expected a value, found nothing",
    ),
    "nothing to add to": (
        written("bcast", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, 0)])]),
        "rank 1, step 0, chunk 0: reads a chunk that holds nothing yet: expected a value, found nothing",
    ),
    "twice": (
        written("allreduce", SWAP[0] * 2, SWAP[1] * 2),
        "rank 0, step 1, chunk 0: adds a contribution twice: "
        "expected nothing of chunk 0 of ranks 0-1 again, found chunk 0 of ranks 0-1",
    ),
    "twice, on the spot": (
        written("allreduce", [Step(local=[Combine(OUTPUT[0], OUTPUT[0])])]),
        "rank 0, step 0, chunk 0: adds a contribution twice: "
        "expected nothing of chunk 0 of rank 0 again, found chunk 0 of rank 0",
    ),
    "different chunks": (
        written(
            "alltoall", [Step(local=[Move(INPUT[0], OUTPUT[0]), Combine(INPUT[1], OUTPUT[0])])], [], chunks=per_rank,
            equal_blocks=True,
        ),
        "rank 0, step 0, chunk 0: adds different chunks: expected chunk 0, found chunk 1 of rank 0",
    ),
    "lengths": (
        written("allreduce", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, 1)])], chunks=per_rank),
        "rank 1, step 0, chunk 1: lengths differ: expected the lengths of chunks 1, found those of 0",
    ),
    "one more than was sent": (
        written("allreduce", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, range(2))])], chunks=per_rank),
        "rank 1, step 0, chunk 0-1: lengths differ: expected the lengths of chunks 0, 1, found those of 0",
    ),
    "lengths of a local action": (
        written("allreduce", [Step(local=[Move(OUTPUT[0], OUTPUT[1])])], [], chunks=per_rank),
        "rank 0, step 0, chunk 1: lengths differ: expected the lengths of chunks 1, found those of 0",
    ),
    "no such chunk": (
        written("allreduce", [Step(send=[Send(1, 2)])], [Step(recv=[Reduce(0, 2)])], chunks=per_rank),
        "rank 0, step 0, chunk 2: names a chunk that is not there: expected one of 0-1 or scratch, found 2",
    ),
    "no input in place": (
        written("allreduce", [Step(local=[Move(INPUT[0], OUTPUT[0])])]),
        "rank 0, step 0, chunk in.0: names a chunk that is not there: expected one of 0 or scratch, found in.0",
    ),
    "no such input": (
        written("alltoall", [Step(local=[Move(INPUT[1], OUTPUT[0])])], chunks=per_rank),
        "rank 0, step 0, chunk in.1: names a chunk that is not there: expected one of in.0, 0 or scratch, found in.1",
    ),
    "an output that only the root has": (
        written("gather", [], [Step(local=[Move(INPUT[1], OUTPUT[1])])], chunks=per_rank),
        "rank 1, step 0, chunk 1: the caller has no memory for 1 here: "
        "expected chunks that are given or wanted here, or scratch, found 1",
    ),
    "another rank's block among others": (
        written("gather", [], [Step(send=[Send(0, INPUT[0:2])])], chunks=per_rank),
        "rank 1, step 0, chunk in.0-1: the caller has no memory for in.0 here: "
        "expected chunks that are given or wanted here, or scratch, found in.0-1",
    ),
    "an input that only the root has": (
        written("scatter", [], [Step(local=[Move(INPUT[1], OUTPUT[1])])], chunks=per_rank),
        "rank 1, step 0, chunk in.1: the caller has no memory for in.1 here: "
        "expected chunks that are given or wanted here, or scratch, found in.1",
    ),
    "an output for another rank": (
        written("scatter", [Step(send=[Send(1, INPUT[0])])], [Step(recv=[Copy(0, 0)])], chunks=per_rank),
        "rank 1, step 0, chunk 0: the caller has no memory for 0 here: "
        "expected chunks that are given or wanted here, or scratch, found 0",
    ),
    "a weight": (
        written("allreduce", [Step(send=[Send(1, 0, Fraction(1, 2))])], [Step(recv=[Reduce(0, 0)])]),
        "rank 0, step 0, chunk 0: carries a weight, which only gossip may: expected none, found 1/2",
    ),
    "a weighted reduce": (
        written("allreduce", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, 0, weight=Fraction(1, 2))])]),
        "rank 1, step 0, chunk 0: carries a weight, which only gossip may: expected none, found 1/2",
    ),
    "an end that lacks something": (
        written("allreduce", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, 0)])]),
        "rank 0, chunk 0: ends with the wrong value: expected chunk 0 of ranks 0-1, found chunk 0 of rank 0",
    ),
    "an end with nothing": (
        written("allgather", [], [], chunks=per_rank),
        "rank 0, chunk 1: ends with the wrong value: expected chunk 1 of rank 1, found nothing",
    ),
    "weights that are no mean": (
        written("gossip", *([Step(send=[Send(1 - r, 0)], recv=[Reduce(1 - r, 0)])] for r in range(2))),
        "rank 0, chunk 0: the weights here do not form a mean: expected weights of 0 or more and of sum 1, found 1 + 1",
    ),
    "weights below zero": (
        written(
            "gossip", *([Step(send=[Send(1 - r, 0)], recv=[Reduce(1 - r, 0, weight=Fraction(3, 2))])] for r in range(2))
        ),
        "rank 0, chunk 0: the weights here do not form a mean: "
        "expected weights of 0 or more and of sum 1, found -1/2 + 3/2",
    ),
    "a mean of its own": (
        written("gossip", [Step(send=[Send(1, 0)])], [Step(recv=[Reduce(0, 0, weight=Fraction(1, 3))])]),
        "rank 0, chunk 0: chunk 0 of rank 0 gains or loses weight: "
        "expected weights of 0 or more and of sum 1, found 1 + 1/3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_faults_in_words(fault):
    schedule, text = WRONG[fault]
    with pytest.raises(ScheduleError) as error:
        prove(schedule)
    assert str(error.value) == text


def test_a_step_sends_what_was_there_before_it():
    """Both partners send and add in one step, and nobody's sum is passed on."""
    proof = prove(written("allreduce", *SWAP))
    assert (proof.roundings, proof.alike, proof.ordered, proof.exact) == (1, True, True, True)


def test_receives_act_in_the_listed_order_and_local_actions_after_them():
    first, second = [Reduce(1, 0), Reduce(2, 0)], [Reduce(2, 0), Reduce(1, 0)]
    for receives, ordered in ((first, True), (second, False)):
        others = [[Step(send=[Send(0, 0)])], [Step(send=[Send(0, 0)])]]
        assert prove(written("reduce", [Step(recv=receives)], *others)).ordered is ordered
    copied_then_added = Step(recv=[Copy(1, SCRATCH[0])], local=[Combine(SCRATCH[0], OUTPUT[0])])
    assert prove(written("reduce", [copied_then_added], [Step(send=[Send(0, 0)])])).ordered


def test_messages_of_a_pair_match_in_order():
    sends = [Step(send=[Send(1, 0), Send(1, 1)])]
    in_order, crossed = [Step(recv=[Copy(0, 0)]), Step(recv=[Copy(0, 1)])], [Step(recv=[Copy(0, 1), Copy(0, 0)])]
    assert prove(written("bcast", sends, in_order, chunks=per_rank)).roundings == 0
    with pytest.raises(ScheduleError, match="rank 1, step 0, chunk 1: lengths differ"):
        prove(written("bcast", sends, crossed, chunks=per_rank))


def test_sums_of_the_same_terms_need_not_be_alike():
    """(0 + 1) + 2 at ranks 0 and 1, 0 + (1 + 2) at rank 2: equal sums, unequal roundings."""
    schedule = written(
        "allreduce",
        [Step(send=[Send(1, 0), Send(2, 0)], recv=[Reduce(1, 0), Reduce(2, 0)])],
        [Step(send=[Send(0, 0), Send(2, 0)], recv=[Reduce(0, 0, LEFT), Reduce(2, 0)])],
        [Step(send=[Send(0, 0), Send(1, 0)], recv=[Reduce(1, 0, LEFT), Reduce(0, 0, LEFT)])],
    )
    proof = prove(schedule)
    assert (proof.alike, proof.ordered, proof.roundings) == (False, True, 2)


CARD = """
    steps      1
    bytes      n
    roundings  1
    alike      yes
    order      rank
    sizes      any
    paper      this one
"""


@pytest.mark.parametrize(
    ("line", "claim", "text"),
    [
        ("steps", "p", "the card's steps do not hold: expected p = 2, found 1"),
        ("bytes", "n / p", "the card's bytes do not hold: expected n / p = 1/2, found 1"),
        ("roundings", "guests", "the card's roundings do not hold: expected guests = 0, found 1"),
    ],
)
def test_a_card_that_does_not_hold(line, claim, text):
    lines = [f"    {line:9}  {claim}" if row.split()[:1] == [line] else row for row in CARD.splitlines()]
    schedule = written("allreduce", *SWAP, card="\n".join(lines))
    with pytest.raises(ScheduleError) as error:
        card.check(schedule, prove(schedule))
    assert str(error.value) == f"written.allreduce(size=2): {text}"


def test_a_card_may_not_claim_an_order_or_likeness_that_is_not_there():
    unordered = written("allreduce", SWAP[0], [Step(send=[Send(0, 0)], recv=[Reduce(0, 0)])], card=CARD)
    with pytest.raises(ScheduleError) as error:
        card.check(unordered, prove(unordered))
    assert str(error.value) == "written.allreduce(size=2): the card's order does not hold: expected rank, found not so"
    gossip = one_peer_exponential.gossip.schedule(3)
    with pytest.raises(ScheduleError) as error:
        algorithm = written("gossip", *gossip.programs, card=CARD.replace("1", "2").replace(" n", " 2 * n"))
        card.check(algorithm, prove(algorithm))
    assert str(error.value) == "written.gossip(size=3): the card's alike does not hold: expected yes, found not so"


def test_a_card_has_all_its_lines():
    with pytest.raises(ScheduleError) as error:
        card.read(written("allreduce", [], card="    steps      0\n    paper      none\n").algorithm)
    assert str(error.value) == "written.allreduce has no bytes, roundings, alike, order, sizes on its card"
    assert card.read(ring.allreduce) == {
        "steps": "2 * (p - 1)",
        "bytes": "2 * n * (p - 1) / p",
        "roundings": "p - 1",
        "alike": "yes",
        "order": "any",
        "sizes": "any",
        "paper": "Patarasuk and Yuan, JPDC 69(2), 2009",
    }
