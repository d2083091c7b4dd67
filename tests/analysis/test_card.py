"""A card that does not hold, or lacks a line, is refused."""

import pytest
from written import SWAP, written

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives import one_peer_exponential, ring
from mpitrain.collectives.schedule import Reduce, ScheduleError, Send, Step

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
