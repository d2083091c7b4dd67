"""Every algorithm of the catalogue is proved, and its card is exact; a step is what its effect is."""

from fractions import Fraction

import numpy as np
import pytest
from written import SWAP, written

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives import one_peer_exponential
from mpitrain.collectives.algorithm import per_rank
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import LEFT, OUTPUT, SCRATCH, Combine, Copy, Reduce, ScheduleError, Send, Step

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
