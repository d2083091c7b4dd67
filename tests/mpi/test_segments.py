"""Between nodes long messages go in segments, and long data in two strands: make-believe nodes do, too."""

import numpy as np
import pytest
from mpi4py import MPI

from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.engines.messages import SEGMENT
from mpitrain.engines.mpi import MPIWorld
from mpitrain.errors import UsageError

pytestmark = pytest.mark.mpi


@pytest.fixture(params=[1, 2])
def far(request, monkeypatch):
    """A world of nodes of one or two ranks, whose segments are thirty numbers; only rank 0's environment says so."""
    monkeypatch.setenv("MPITRAIN_RANKS_PER_NODE", str(request.param))
    monkeypatch.setenv("MPITRAIN_SEGMENT_BYTES", "240" if MPI.COMM_WORLD.rank == 0 else "0")
    world = MPIWorld(MPI.COMM_WORLD)
    yield world
    world.close()


def numbers(count, rank):
    return np.random.default_rng([count, rank]).integers(0, 9, count).astype(np.float64)


COUNTS = [0, 1, MPI.COMM_WORLD.size - 1, MPI.COMM_WORLD.size + 1, 1003]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("collective", ["allreduce", "reduce", "bcast", "reduce_scatter", "allgather"])
def test_what_arrives_is_what_arrives_in_one_piece(far, collective, count):
    given = [numbers(count, rank) for rank in range(far.size)]
    total, root = sum(given), far.size - 1
    blocks = [slice(rank * count // far.size, (rank + 1) * count // far.size) for rank in range(far.size)]
    gathered = np.concatenate([numbers[block] for numbers, block in zip(given, blocks, strict=True)])
    wanted = {
        "allreduce": total, "reduce": total if far.rank == root else None, "bcast": given[root],
        "reduce_scatter": total[blocks[far.rank]], "allgather": gathered,
    }[collective]  # fmt: skip
    rooted = {"root": root} if collective in ("reduce", "bcast") else {}
    for algorithm in CATALOGUE[collective]:
        data = given[far.rank].copy()
        plan = far.plan(collective, data, algorithm=algorithm, engine="mpi", **rooted)
        np.testing.assert_array_equal(plan.run(), wanted)
        plan.free()
        data[:] = given[far.rank]
        np.testing.assert_array_equal(getattr(far, collective)(data, algorithm=algorithm, **rooted), wanted)


def test_strands_keep_rank_order_and_take_means_once(far):
    own = numbers(1003, far.rank)
    last = far.allreduce(own.copy(), lambda left, right: right, algorithm="direct")
    np.testing.assert_array_equal(last, numbers(1003, far.size - 1))
    mean = far.allreduce(np.full(1003, far.rank + 1.0), "mean", algorithm="ring")
    np.testing.assert_array_equal(mean, (far.size + 1) / 2)


def test_only_what_goes_far_is_cut(far):
    array = np.arange(70.0)
    nodes = MPI.COMM_WORLD.allgather(far.node)
    for peer in range(far.size):
        pieces = [piece for _, piece in far.messenger._cut([(peer, array)])]
        lengths = [70] if nodes[peer] == far.node else [30, 30, 10]
        assert [piece.size for piece in pieces] == lengths
        np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_long_data_go_in_two_strands(far):
    several = far.node_size < far.size
    for collective, count, expected in (
        ("allreduce", 479, 1), ("allreduce", 480, 2), ("bcast", 480, 2), ("reduce", 480, 2), ("allgather", 480, 1)
    ):  # fmt: skip
        plan = far.plan(collective, np.zeros(count), algorithm="direct", engine="mpi")
        assert len(plan.strands) == (expected if several else 1)


def test_an_error_in_one_strand_lets_the_other_come_to_its_end(far):
    def broken(left, right):
        if (left >= 0).all():
            return left + right
        raise ArithmeticError("below zero")

    if far.node_size < far.size:
        data = np.where(np.arange(1002) < 501, 1.0, -1.0)  # every rank fails in the second strand
        with pytest.raises(ArithmeticError, match=r"^below zero$"):
            far.allreduce(data, broken, algorithm="direct")
        assert (far.allreduce(np.ones(1003), algorithm="ring") == far.size).all()


def test_segments_are_bytes(monkeypatch):
    monkeypatch.setenv("MPITRAIN_SEGMENT_BYTES", "64K")
    with pytest.raises(UsageError) as refusal:
        MPIWorld(MPI.COMM_WORLD)
    assert str(refusal.value) == "MPITRAIN_SEGMENT_BYTES=64K: expected bytes, or 0 for whole messages"
    assert SEGMENT < 65536  # Open MPI's limit over TCP, header included
