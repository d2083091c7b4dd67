"""A schedule that is wrong is named with its place: rank, step, chunk, what was expected and what was found."""

from fractions import Fraction

import pytest
from written import SWAP, written

from mpitrain.analysis.prove import prove
from mpitrain.collectives.algorithm import Opaque, per_rank
from mpitrain.collectives.schedule import (
    INPUT,
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


def test_what_is_opaque_cannot_be_proved():
    with pytest.raises(ScheduleError) as error:
        prove(Opaque("allreduce", "library", ""))
    assert str(error.value) == (
        "library.allreduce is opaque: its steps are the library's own, there is nothing to prove"
    )
