"""What the catalogue's programs do to real data, against NumPy's own sums, concatenations and transpositions.

Sizes and counts include those at which chunks are uneven or empty. Operations that do not commute are tried on strings:
a sum is then the list of its contributions, in their order.
"""

from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.collectives import one_peer_exponential
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import LEFT

ALGORITHMS = [
    pytest.param(algorithm, id=str(algorithm))
    for collective, family in CATALOGUE.items()
    for algorithm in family.values()
    if collective not in ("alltoall", "barrier", "gossip")
]
SEGMENTED = [case for case in ALGORITHMS if "segments" in dict(case.values[0].parameters)]
SIZES = range(1, 18)


def add(own, incoming, side, weight):
    assert weight is None
    return incoming + own if side is LEFT else own + incoming


def mix(own, incoming, side, weight):
    return (1 - weight) * own + weight * incoming


def evenly(count, chunks):
    cuts = [i * count // chunks for i in range(chunks + 1)]
    return [stop - start for start, stop in pairwise(cuts)]


def numbers(size, count, seed=0):
    return list(np.random.default_rng(seed).integers(-1000, 1000, (size, count)))


def letters(size, count):
    return [np.array([f"{rank}:{at} " for at in range(count)], dtype=object) for rank in range(size)]


def total(arrays):
    """The sum in rank order; for strings, their concatenation."""
    return list(accumulate(arrays))[-1]


@pytest.fixture(scope="module")
def check(by_definition, promised):
    def check(schedule, inputs, lengths):
        size, cuts = schedule.size, [0, *accumulate(lengths)]

        def all_blocks(rank):
            return np.concatenate([inputs[source][cuts[source] : cuts[source + 1]] for source in range(size)])

        wanted = {
            "bcast": lambda rank: inputs[schedule.root],
            "scatter": lambda rank: inputs[schedule.root],
            "scan": lambda rank: total(inputs[: rank + 1]),
            "exscan": lambda rank: total(inputs[:rank]),
            "allgather": all_blocks,
            "gather": all_blocks,
        }.get(schedule.algorithm.collective, lambda rank: total(inputs))
        outputs = by_definition(schedule, inputs, lengths, add).outputs
        for rank in range(size):
            for chunk in range(len(lengths)):
                if promised(schedule, rank, chunk):
                    here = slice(cuts[chunk], cuts[chunk + 1])
                    np.testing.assert_array_equal(outputs[rank][here], wanted(rank)[here], f"{schedule} rank {rank}")

    return check


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_numbers(algorithm, size, check):
    for count in (0, 1, size - 1, size + 1, 1003):
        for schedule in algorithm.schedules(size)[:: max(1, size // 3)]:
            check(schedule, numbers(size, count), evenly(count, schedule.chunks))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", [case for case in ALGORITHMS if case.values[0].ordered])
def test_operations_that_do_not_commute(algorithm, size, check):
    for schedule in algorithm.schedules(size)[:: max(1, size // 3)]:
        count = schedule.chunks + 1
        check(schedule, letters(size, count), evenly(count, schedule.chunks))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_size_any_root_any_lengths(algorithm, check, data):
    """Lengths as a caller may give them to a v-form: some empty, some long."""
    size = data.draw(st.integers(1, 12), "size")
    schedule = data.draw(st.sampled_from(algorithm.schedules(size)), "schedule")
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=schedule.chunks, max_size=schedule.chunks), "lengths")
    check(schedule, numbers(size, sum(lengths)), lengths)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", SEGMENTED)
def test_any_number_of_segments(algorithm, size, check):
    for segments in (1, 2, 3, 8):
        for root in {0, size // 2, size - 1} if algorithm.rooted else {None}:
            schedule = algorithm.schedule(size, segments=segments, **({} if root is None else {"root": root}))
            assert segments <= schedule.chunks < segments + size
            check(schedule, numbers(size, 11), evenly(11, schedule.chunks))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", CATALOGUE["alltoall"].values(), ids=str)
def test_alltoall_transposes(algorithm, size, by_definition):
    for block in (0, 1, 3):
        inputs = numbers(size, size * block)
        outputs = by_definition(algorithm.schedule(size), inputs, [block] * size, add).outputs
        transposed = np.array(inputs).reshape(size, size, block).transpose(1, 0, 2)
        np.testing.assert_array_equal(np.array(outputs).reshape(size, size, block), transposed)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", [a for a in CATALOGUE["alltoall"].values() if not a.equal_blocks], ids=str)
def test_alltoall_with_a_length_for_every_pair(algorithm, size, by_definition):
    lengths = np.random.default_rng(size).integers(0, 4, (size, size)).tolist()
    inputs = [np.array([f"{rank}:{at}" for at in range(sum(row))], object) for rank, row in enumerate(lengths)]
    found = by_definition(algorithm.schedule(size), inputs, lengths, add).chunks
    cuts = [[0, *accumulate(row)] for row in lengths]
    for rank in range(size):
        for source in range(size):
            wanted = inputs[source][cuts[source][rank] : cuts[source][rank + 1]]
            assert list(found[rank][source]) == list(wanted), f"{algorithm} from {source} to {rank}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("algorithm", CATALOGUE["barrier"].values(), ids=str)
def test_after_a_barrier_everyone_has_heard_of_all(algorithm, size, by_definition):
    came = [np.array([{rank}], object) for rank in range(size)]
    outputs = by_definition(algorithm.schedule(size), came, [1], lambda own, incoming, side, weight: own | incoming)
    assert outputs.outputs == [[set(range(size))]] * size


@pytest.mark.parametrize("size", SIZES)
def test_gossip_keeps_the_mean_and_reaches_it_at_powers_of_two(size, by_definition):
    inputs = [np.array([Fraction(int(value)) for value in row], object) for row in numbers(size, 3)]
    outputs = by_definition(one_peer_exponential.gossip.schedule(size), inputs, [3], mix).outputs
    assert (total(outputs) == total(inputs)).all()
    spread = max(abs(output - total(inputs) / size).max() for output in outputs)
    assert spread == 0 if size & (size - 1) == 0 else spread > 0
    distance = max(abs(array - total(inputs) / size).max() for array in inputs)
    assert spread < distance or size == 1
