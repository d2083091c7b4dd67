"""One algorithm in the nodes, another one between them: any two, on nodes of any kind.

Traeff and Hunold, Decomposing MPI collectives for exploiting multi-lane communication, CLUSTER 2020
"""

from fractions import Fraction
from itertools import accumulate

import numpy as np
import pytest

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives import recursive_doubling
from mpitrain.collectives.algorithm import Algorithm, per_rank
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.embedding import embed, whole
from mpitrain.collectives.nodes import lanes_of, nodes_of, turns
from mpitrain.collectives.schedule import LEFT, OUTPUT, SCRATCH, ScheduleError

COLLECTIVES = ("allreduce", "reduce_scatter", "allgather")
NODES = [(12, 4), (8, (3, 3, 2))]
PAIRS = [
    (collective, inner, outer)
    for collective in COLLECTIVES
    for inner in CATALOGUE[collective]
    for outer in CATALOGUE[collective]
]


def hierarchical(collective, **given):
    return find(collective, "hierarchical").with_given(**given)


@pytest.mark.parametrize(("collective", "inner", "outer"), PAIRS)
def test_any_two_algorithms_are_proved_and_as_the_card_says(collective, inner, outer):
    for size, nodes in NODES:
        algorithm = hierarchical(collective, ranks_per_node=nodes, inner=inner, outer=outer)
        proof = prove(algorithm.schedule(size))
        card.check(proof.schedule, proof)
        assert proof.ordered or not algorithm.ordered
        assert proof.alike


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 40, (5, 4, 3), (1, 11), (11, 1), (2, 1, 4, 1, 4), (7, 5), (6, 6)])
@pytest.mark.parametrize("collective", COLLECTIVES)
def test_nodes_of_any_kind(collective, nodes, by_definition):
    """Even ones cost just what the card says, at most so much others do; numbers come out right with uneven blocks."""
    size = 12
    schedule = hierarchical(collective, ranks_per_node=nodes).schedule(size)
    proof = prove(schedule)
    card.check(schedule, proof)
    lengths = [(3 * chunk) % 4 for chunk in range(schedule.chunks)]
    cuts = [0, *accumulate(lengths)]
    inputs = list(np.random.default_rng(0).integers(0, 1000, (size, sum(lengths))))
    run = by_definition(schedule, inputs, lengths, lambda own, incoming, side, weight: own + incoming)
    for rank in range(size):
        for chunk in [rank] if collective == "reduce_scatter" else range(schedule.chunks):
            here = slice(cuts[chunk], cuts[chunk + 1])
            expected = inputs[chunk][here] if collective == "allgather" else sum(inputs)[here]
            np.testing.assert_array_equal(run.outputs[rank][here], expected)
    if isinstance(nodes, int) or nodes == (6, 6):
        claims = card.read(schedule.algorithm)
        assert run.rounds == card.evaluate(claims["steps"], schedule)
        assert Fraction(max(run.sent), schedule.chunks) == card.evaluate(claims["bytes"], schedule)
        assert proof.roundings == card.evaluate(claims["roundings"], schedule)


def test_order_is_kept_if_both_parts_keep_it(by_definition):
    words = [np.array([f"{rank}{at} " for at in range(8)], object) for rank in range(8)]

    def join(own, incoming, side, weight):
        return incoming + own if side is LEFT else own + incoming

    for inner, outer, ordered in (
        ("direct", "recursive_doubling", True), ("binomial_tree", "direct", True), ("direct", "ring", False),
        ("ring", "direct", False),
    ):  # fmt: skip
        algorithm = hierarchical("allreduce", ranks_per_node=(3, 3, 2), inner=inner, outer=outer)
        schedule = algorithm.schedule(8)
        lengths = [1] * min(8, schedule.chunks) + [0] * (schedule.chunks - 8)
        lengths[0] += 8 - sum(lengths)
        outputs = by_definition(schedule, words, lengths, join).outputs
        kept = all((output == sum(words[1:], words[0])).all() for output in outputs)
        assert algorithm.ordered == kept == ordered


def between_nodes(schedule, nodes):
    """Of n, what the busiest node sends to others, and the busiest rank of it."""
    node_of = {rank: number for number, node in enumerate(nodes) for rank in node}
    sent = [
        Fraction(
            sum(
                send.chunks.stop - send.chunks.start
                for step in program
                for send in step.send
                if node_of[send.peer] != node_of[rank]
            ),
            schedule.chunks,
        )
        for rank, program in enumerate(schedule.programs)
    ]
    return max(sum(sent[rank] for rank in node) for node in nodes), max(sent)


@pytest.mark.parametrize("inner", ["direct", "ring", "recursive_doubling", "binomial_tree"])
@pytest.mark.parametrize("m", [2, 4])
def test_between_nodes_goes_what_the_bound_says_and_all_ranks_share_it(m, inner):
    """Nodes of 8 ranks as if each were one rank: 2 (m - 1) / m of n for an allreduce, half of it for its halves."""
    nodes = nodes_of(8 * m, 8)
    for collective, times, optimal in (
        ("allreduce", 2, ("ring", "direct", "halving_doubling")),
        ("reduce_scatter", 1, ("ring", "direct", "recursive_halving")),
        ("allgather", 1, ("ring", "direct", "recursive_doubling")),
    ):
        for outer in optimal:
            inside = inner if inner in CATALOGUE[collective] else "direct"
            algorithm = hierarchical(collective, ranks_per_node=8, inner=inside, outer=outer)
            bound = Fraction(times * (m - 1), m)
            assert between_nodes(algorithm.schedule(8 * m), nodes) == (bound, bound / 8)


def test_uneven_nodes_send_no_more_in_all():
    for sizes in ((8, 7), (8, 8, 3), (4, 1, 2)):
        schedule = hierarchical("allreduce", ranks_per_node=sizes).schedule(sum(sizes))
        bound = Fraction(2 * (len(sizes) - 1), len(sizes))
        assert between_nodes(schedule, nodes_of(sum(sizes), sizes))[0] == bound


def test_nodes():
    assert [len(node) for node in nodes_of(8, 3)] == [3, 3, 2]
    assert nodes_of(8, (3, 3, 2)) == nodes_of(8, 3) == (range(3), range(3, 6), range(6, 8))
    assert [len(nodes_of(size, 0)[0]) for size in (1, 2, 4, 6, 7, 12, 36, 64)] == [1, 1, 2, 2, 1, 3, 6, 8]
    assert nodes_of(5, ()) == nodes_of(5, 0), "what an engine knows nothing of"
    assert lanes_of(nodes_of(5, 3)) == [[0, 3], [1, 4], [2, 3]]
    assert [turns(lanes_of(nodes_of(p, n))) for p, n in ((8, 4), (5, 3), (9, 8), (4, 9), (15, 8))] == [1, 2, 8, 1, 2]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ranks_per_node": (3, 3, 1)}, "ranks_per_node=3+3+1 at size 8: expected 1 or more, 8 in all"),
        ({"ranks_per_node": (8, 0)}, "ranks_per_node=8+0 at size 8: expected 1 or more, 8 in all"),
        ({"ranks_per_node": -1}, "ranks_per_node=-1 at size 8: expected 1 or more, 8 in all"),
        ({"inner": "bruck"}, "no algorithm 'bruck' for allreduce: expected one that "),
        ({"outer": "rnig"}, "no algorithm 'rnig' for allreduce: expected ring or another that "),
        (
            {"outer": "library"},
            "library.allreduce is opaque: it cannot be part of another algorithm",
        ),
    ],
)
def test_what_cannot_be_is_said(given, text):
    with pytest.raises(ScheduleError) as error:
        prove(hierarchical("allreduce", **given).schedule(8))
    assert str(error.value).startswith(text)


def test_an_embedded_program_takes_its_scratch_along(by_definition):
    """An exscan among ranks 4, 1 and 2 of five, on chunks 0, 1 and 3 of four; the others' stay as they are."""
    ranks, chunks = [4, 1, 2], [[range(0, 2), range(3, 4)]]

    def steps(rank, size):
        return embed(recursive_doubling.exscan, rank, ranks, chunks, 4) if rank in ranks else iter(())

    schedule = Algorithm("allreduce", "embedded", steps, lambda size: 4).schedule(5)
    inputs = [np.array([f"{rank}{at} " for at in range(6)], object) for rank in range(5)]
    outputs = by_definition(schedule, inputs, [1, 3, 1, 1], lambda a, b, side, weight: b + a if side is LEFT else a + b)
    there = [0, 1, 2, 3, 5]
    assert list(outputs.outputs[1][there]) == list(inputs[4][there])
    assert list(outputs.outputs[2][there]) == list(inputs[4][there] + inputs[1][there])
    assert list(outputs.outputs[1][[4]]) == ["14 "]
    assert list(outputs.outputs[0]) == list(inputs[0])


def test_a_message_has_as_many_pieces_as_gaps():
    striped = [[range(0, 1), range(3, 4)], [range(1, 2), range(4, 5)], [range(2, 3), range(5, 6)]]
    assert whole(OUTPUT[1:3], striped, 6) == [OUTPUT[1:3], OUTPUT[4:6]]
    assert whole(OUTPUT[0:3], striped, 6) == [OUTPUT[0:6]]
    assert whole(SCRATCH[2:4], striped, 6) == [SCRATCH[2:3], SCRATCH[5:6], SCRATCH[6:7], SCRATCH[9:10]]
    assert whole(OUTPUT[0:1], [[range(2, 2)], [range(1)]], 1) == []


def test_equal_blocks_cannot_be_asked_of_a_part():
    algorithm = Algorithm("allgather", "equal", lambda rank, size: iter(()), per_rank, equal_blocks=True)
    with pytest.raises(ScheduleError) as error:
        list(embed(algorithm, 0, [0, 1], [[range(1)], [range(1, 2)]], 2))
    assert str(error.value) == "equal.allgather wants equal blocks: it cannot work on part of the data"
