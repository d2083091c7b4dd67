"""A world of one needs no MPI, and does what a world of many does at size 1."""

import ml_dtypes
import numpy as np
import pytest

import mpitrain
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.engines.solo import SoloWorld


@pytest.fixture
def world():
    return SoloWorld()


def test_init_without_a_launcher(monkeypatch):
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert isinstance(mpitrain.init(), SoloWorld)


@pytest.mark.parametrize("collective", [c for c in CATALOGUE if c not in ("gossip", "barrier")])
def test_all_data_stay_as_they_are(world, collective):
    for algorithm in (*CATALOGUE[collective], "auto"):
        for count in (0, 1, 5):
            data = np.arange(float(count))
            room = (np.full(count, -1.0),) if collective == "scatter" else ()
            got = getattr(world, collective)(data.copy(), *room, algorithm=algorithm)
            np.testing.assert_array_equal(got, data)


def test_one_rank_waits_for_nobody(world):
    for algorithm in (*CATALOGUE["barrier"], "auto"):
        world.barrier(algorithm=algorithm)


def test_a_mean_of_one_is_itself_in_every_float_type(world):
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.complex128):
        assert world.allreduce(np.full(3, 1.5, dtype), "mean")[0] == dtype(1.5)


def test_a_foreign_buffer_is_taken_without_a_copy(world):
    memory = bytearray(b"abc")
    world.allreduce(memory, "max")
    got = world.bcast(memoryview(memory))
    got[0] = 0
    assert memory[0] == 0


FAULTS = {
    "mean of whole numbers": (
        lambda w: w.allreduce(np.ones(3, int), "mean"), TypeError,
        "op 'mean' needs floats: found int64; use op='sum' and divide",
    ),
    "sum of texts": (
        lambda w: w.allreduce(np.array(["a"])), TypeError, "op 'sum' needs numbers: found <U1",
    ),
    "unknown op": (
        lambda w: w.allreduce(np.ones(3), "plus"), ValueError,
        "op 'plus': expected one of sum, prod, min, max, mean, an Op, or a function of (left, right)",
    ),
    "unknown algorithm": (
        lambda w: w.allreduce(np.ones(3), algorithm="rings"), ScheduleError,
        "no algorithm 'rings' for allreduce: expected ring, swing or another that `mpitrain prove allreduce` lists, "
        "or library",
    ),
    "another collective's algorithm": (
        lambda w: w.allreduce(np.ones(3), algorithm=CATALOGUE["bcast"]["direct"]), ScheduleError,
        "direct.bcast is no algorithm for allreduce: expected one that is made for it",
    ),
    "root": (lambda w: w.bcast(np.ones(3), 1), ValueError, "bcast: root 1: expected a rank below 1"),
    "gaps": (
        lambda w: w.bcast(np.ones((4, 4))[:, 1]), ValueError,
        "bcast: a buffer of shape (4,) with gaps: expected contiguous memory",
    ),
    "read-only": (
        lambda w: w.bcast(b"abc"), ValueError, "bcast: a read-only buffer: expected one that may be written",
    ),
    "no array": (
        lambda w: w.bcast([1, 2]), TypeError,
        "expected an array (NumPy, CuPy, or an object with the buffer protocol, __array_interface__, DLPack or "
        "__cuda_array_interface__), found list; make one with numpy.asarray",
    ),
    "the library": (
        lambda w: w.allreduce(np.ones(3), algorithm=LIBRARY), ScheduleError,
        "no MPI library runs allreduce in a world of one without MPI: use engine mpi",
    ),
    "counts where there are none": (
        lambda w: w.plan("allreduce", np.ones(3), counts=[3]), ValueError,
        "allreduce: takes no counts: expected them for collectives that go by blocks only",
    ),
    "no collective": (
        lambda w: w.plan("frob", np.ones(3)), ScheduleError,
        "no collective 'frob': expected one of allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, "
        "alltoall, scan, exscan, barrier, gossip",
    ),
    "counts": (
        lambda w: w.allgather(np.ones(3), [2]), ValueError,
        "allgather: counts [2]: expected 1 counts, one a rank, of sum 3",
    ),
    "alltoall into itself": (
        lambda w: w.alltoall(a := np.ones(3), a), ValueError,
        "alltoall: sends and receives in one buffer: expected two, or none to receive in",
    ),
    "alltoall into less": (
        lambda w: w.alltoall(np.ones(3), np.ones(2)), ValueError,
        "alltoall: receives 2 x float64: expected 3 x float64",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_say_what_was_expected(world, fault):
    call, kind, text = FAULTS[fault]
    with pytest.raises(kind) as failure:
        call(world)
    assert str(failure.value) == text


def test_memory_is_aligned(world):
    assert world.empty(0).size == 0
    for count in (1, 1003):
        memory = world.empty(count, np.float64)
        assert (memory.size, memory.ctypes.data % 64) == (count, 0)
