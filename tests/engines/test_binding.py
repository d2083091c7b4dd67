"""Binding programs to memory: what is staged, what is left out, and that the effect of a step is kept."""

import ml_dtypes
import numpy as np
import pytest

from mpitrain.collectives import bruck, recursive_doubling, ring
from mpitrain.collectives.schedule import RIGHT, Copy, Reduce, Send, Step
from mpitrain.engines.actions import combining
from mpitrain.engines.binding import Piece, bind
from mpitrain.engines.layout import even_cuts, even_lengths
from mpitrain.engines.reduction import OPS, Op, as_op, divide

SUM = OPS["sum"]


def bound(steps, count=6, chunks=3, op=SUM):
    array = np.arange(float(count))
    piece = Piece(array, even_cuts(count, chunks))
    return tuple(bind(lambda: steps, piece, piece, even_lengths(count, chunks), op)), array


def finish(stage):
    for action in stage.after:
        action()


def test_what_is_copied_arrives_in_place_and_what_is_reduced_is_staged():
    (stage,), array = bound([Step(send=[Send(1, 0)], recv=[Copy(1, 1), Reduce(1, 2)])])
    (_, copied), (_, reduced) = stage.recv
    assert np.shares_memory(copied, array)
    assert not np.shares_memory(reduced, array)
    assert np.shares_memory(stage.send[0][1], array)


def test_a_chunk_that_is_sent_and_overwritten_in_one_step_keeps_its_value_until_it_has_left():
    (stage,), array = bound([Step(send=[Send(1, 0)], recv=[Copy(1, 0)])])
    stage.recv[0][1][:] = -1
    assert stage.send[0][1].tolist() == [0, 1]
    finish(stage)
    assert array.tolist() == [-1, -1, 2, 3, 4, 5]


def test_receives_combine_in_the_listed_order():
    """A copy listed after a reduce wins over it; listed before it, it is added to."""
    for recv, wanted in (([Reduce(1, 0), Copy(2, 0)], 7.0), ([Copy(2, 0), Reduce(1, 0)], 12.0)):
        (stage,), array = bound([Step(recv=recv)])
        for receive, (_, arrival) in zip(recv, stage.recv, strict=True):
            arrival[:] = 5.0 if isinstance(receive, Reduce) else 7.0
        finish(stage)
        assert array[0] == wanted


def test_empty_messages_are_left_out_on_both_sides():
    stages, _ = bound(ring.allreduce.schedule(5).program(2), count=2, chunks=5)
    sent = [array.size for stage in stages for _, array in stage.send]
    received = [array.size for stage in stages for _, array in stage.recv]
    assert set(sent) == set(received) == {1}
    assert len(sent) < 8


def test_scratch_is_as_large_as_the_chunks_it_stands_for():
    whole = Piece(np.zeros(7), [0, 7])
    stages = tuple(bind(lambda: recursive_doubling.exscan.schedule(4).program(3), whole, whole, [7], SUM))
    assert {array.size for stage in stages for _, array in (*stage.send, *stage.recv)} == {7}
    pieces = Piece(np.ones(6), even_cuts(6, 3)), Piece(np.zeros(6), even_cuts(6, 3))
    stages = tuple(bind(lambda: bruck.alltoall.schedule(3).program(0), *pieces, [2, 2, 2], SUM))
    assert {array.size for stage in stages for _, array in (*stage.send, *stage.recv)} == {2}


@pytest.mark.parametrize("half", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", ["sum", "prod"])
def test_half_types_are_combined_in_float32_and_rounded_once(half, name):
    """Against the rounding of the float32 result, over all pairs of some awkward values."""
    values = np.array([0.1, 1 / 3, 1.0, 1.0009765625, 204.9, 3e-5, -7.7], np.float32).astype(half)
    left, right = (grid.ravel().copy() for grid in np.meshgrid(values, values))
    wanted = getattr(np, {"sum": "add", "prod": "multiply"}[name])(left.astype("f4"), right.astype("f4")).astype(half)
    OPS[name].combine(left, right, out=left)
    assert left.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("half", [np.float16, ml_dtypes.bfloat16])
def test_a_half_mean_divides_in_float32(half):
    sums = np.array([1.0, 10.0, 2049.0], half)
    wanted = (sums.astype(np.float32) / np.float32(3)).astype(half)
    divide(sums, 3)
    assert sums.tobytes() == wanted.tobytes()


def test_functions_become_operations_that_do_not_commute():
    op = as_op(lambda left, right: left - right)
    out = np.array([5.0])
    op.combine(out, np.array([3.0]), out=out)
    assert (out[0], op.commutative) == (2.0, False)
    own = Op("least", np.minimum)
    assert as_op(own) is own


@pytest.mark.parametrize("op", ["sum", "prod"])
def test_bfloat16_combines_to_the_same_bits_as_its_own_type_does(op):
    every = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)
    with np.errstate(all="ignore"):
        for shift in (1, 977, 20_000, 33_333):
            own, incoming = every.copy(), np.roll(every, shift)
            wanted = OPS[op].combine(own, incoming)
            combining(OPS[op], own, incoming, RIGHT)()
            numbers = ~np.isnan(wanted.astype(np.float32))
            np.testing.assert_array_equal(own.view(np.uint16)[numbers], wanted.view(np.uint16)[numbers])
            assert np.isnan(own.astype(np.float32)[~numbers]).all()
