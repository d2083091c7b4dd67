"""The words in which algorithms are written: what they mean, how they print, what they refuse."""

from fractions import Fraction

import pytest

from mpitrain.collectives import binomial_tree, ring
from mpitrain.collectives.algorithm import Opaque, collective, per_rank, whole
from mpitrain.collectives.schedule import (
    INPUT,
    LEFT,
    OUTPUT,
    RIGHT,
    SCRATCH,
    Chunks,
    Combine,
    Copy,
    Move,
    Reduce,
    ScheduleError,
    Send,
    Step,
)


def test_chunks_print_short():
    """The output is what most programs work on, and needs no name."""
    names = [str(chunks) for chunks in (OUTPUT[3], OUTPUT[2:5], INPUT[0], INPUT[0:2], SCRATCH[1], SCRATCH[7:9])]
    assert names == ["3", "2-4", "in.0", "in.0-1", "scratch.1", "scratch.7-8"]


def test_a_number_or_a_range_names_chunks_of_the_output():
    assert Send(1, 4).chunks == OUTPUT[4] == Chunks(OUTPUT, 4, 5)
    assert Copy(1, range(2, 5)).chunks == OUTPUT[2:5] == Chunks(OUTPUT, 2, 5)
    assert Reduce(1, SCRATCH[0]).chunks == Chunks(SCRATCH, 0, 1)


@pytest.mark.parametrize("chunks", [range(0, 6, 2), range(3, 0, -1), range(2, 2)])
def test_a_message_is_one_piece(chunks):
    with pytest.raises(ValueError) as error:
        Send(1, chunks)
    assert str(error.value) == f"chunks of one message: expected a range of step 1 that is not empty, found {chunks}"


@pytest.mark.parametrize("index", [slice(None, 3), slice(1, None), slice(0, 4, 2), slice(2, 2)])
def test_a_slice_of_a_space_has_both_ends(index):
    with pytest.raises(ValueError) as error:
        SCRATCH[index]
    assert str(error.value) == f"chunks of scratch: expected [first:stop] with first < stop, found {index}"


def test_words_have_sensible_defaults():
    assert Send(1, 0).weight is None
    assert Reduce(1, 0) == Reduce(1, 0, side=RIGHT, weight=None) != Reduce(1, 0, side=LEFT)
    assert Reduce(1, 0, weight=Fraction(1, 2)).weight == Fraction(1, 2)
    assert Combine(OUTPUT[0], OUTPUT[1]).side is RIGHT
    assert Step() == Step(send=[], recv=(), local=iter(()))
    assert Step(local=[Move(INPUT[0], OUTPUT[0])]).local == (Move(INPUT[0], OUTPUT[0]),)


def test_an_algorithm_is_named_after_its_module_and_collective():
    assert str(ring.allreduce) == "ring.allreduce"
    assert str(Opaque("allreduce", "library", "")) == "library.allreduce"
    assert str(ring.allreduce.schedule(4)) == "ring.allreduce(size=4)"
    assert str(binomial_tree.bcast.schedule(4, root=2)) == "binomial_tree.bcast(size=4, root=2)"


def test_a_decorated_function_is_an_algorithm_and_still_a_function():
    @collective("bcast", chunks=whole)
    def shout(rank, size, root=0):
        """Rank 0 to rank 1."""
        yield Step(send=[Send(1, 0)]) if rank == root else Step(recv=[Copy(root, 0)])

    assert (shout.collective, shout.name, shout.description) == ("bcast", "test_schedule", "Rank 0 to rank 1.")
    assert list(shout(0, 2)) == [Step(send=[Send(1, 0)])]
    schedule = shout.schedule(2, root=0)
    assert schedule.programs == ((Step(send=[Send(1, 0)]),), (Step(recv=[Copy(0, 0)]),))
    assert (schedule.chunks, schedule.root) == (1, 0)


def test_every_root_has_a_schedule():
    assert [schedule.root for schedule in binomial_tree.reduce.schedules(3)] == [0, 1, 2]
    assert [str(schedule) for schedule in ring.allreduce.schedules(3)] == ["ring.allreduce(size=3)"]


def test_data_are_cut_into_one_chunk_or_one_a_rank():
    assert (whole(7), per_rank(7)) == (1, 7)


@pytest.mark.parametrize(
    ("algorithm", "size", "parameters", "text"),
    [
        (ring.allreduce, 0, {}, "ring.allreduce at size 0: a world has at least one rank"),
        (ring.allreduce, 4, {"root": 1}, "ring.allreduce has no root: found root 1"),
        (binomial_tree.bcast, 4, {"root": 4}, "binomial_tree.bcast at size 4: root 4 is not a rank"),
        (binomial_tree.bcast, 4, {"root": -1}, "binomial_tree.bcast at size 4: root -1 is not a rank"),
    ],
)
def test_what_an_algorithm_refuses(algorithm, size, parameters, text):
    with pytest.raises(ScheduleError) as error:
        algorithm.schedule(size, **parameters)
    assert str(error.value) == text


def test_an_error_says_where_as_far_as_it_is_known():
    error = ScheduleError("is wrong", rank=2, step=0, chunk=OUTPUT[3], expected="a", found="b")
    assert str(error) == "rank 2, step 0, chunk 3: is wrong: expected a, found b"
    assert (error.rank, error.step, error.chunk, error.expected, error.found) == (2, 0, OUTPUT[3], "a", "b")
    assert str(ScheduleError("is wrong")) == "is wrong"
    assert str(ScheduleError("is wrong", expected="a", found="b").at(1, 2, 3)) == (
        "rank 1, step 2, chunk 3: is wrong: expected a, found b"
    )
