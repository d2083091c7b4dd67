"""`Communicator` beyond single calls: requests, errors, what comes of it, memory on devices and of all ranks."""

import ctypes

import numpy as np
import pytest
from communicators import OURS

import mpitrain
from mpitrain import ScheduleError

pytestmark = pytest.mark.mpi


class OnDevice:
    """An array with the CUDA array interface. A pretended driver says that the host cannot reach it."""

    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = {
            "version": 3, "data": (array.ctypes.data, False), "typestr": array.dtype.str, "shape": array.shape,
        }  # fmt: skip


class Driver:
    """Memory of the host in the place of a device's; remembers what was copied where."""

    def __init__(self):
        self.copied = []

    def cuPointerGetAttribute(self, found, attribute, address):
        assert attribute == 2
        found._obj.value = 2
        return 0

    def cuMemcpyDtoH_v2(self, target, source, nbytes):
        return self._copy("to host", target, source, nbytes)

    def cuMemcpyHtoD_v2(self, target, source, nbytes):
        return self._copy("to device", target, source, nbytes)

    def _copy(self, direction, target, source, nbytes):
        ctypes.memmove(target.value, source.value, nbytes.value)
        self.copied.append((direction, nbytes.value))
        return 0


def test_arrays_on_a_device_go_through_the_host(mpi, monkeypatch):
    from mpitrain.communicator import device

    pretended = Driver()
    monkeypatch.setattr(device, "driver", lambda: pretended)
    comm = mpitrain.Communicator(mpi.COMM_WORLD, OURS)
    a, b = OnDevice(np.full(4, comm.rank, np.float32)), OnDevice(np.zeros(4, np.float32))
    comm.Allreduce(a, [b, mpi.FLOAT])
    np.testing.assert_array_equal(b.array, sum(range(comm.size)))
    assert pretended.copied == [("to host", 16), ("to host", 16), ("to device", 16)]
    comm.Bcast(b if comm.rank == 0 else a)
    np.testing.assert_array_equal((a if comm.rank else b).array, sum(range(comm.size)))
    comm.calls.close()


def test_many_under_way_with_those_of_mpi(comm, plain, mpi):
    """Waited for together, by MPI itself, in any order; meanwhile the ranks wait for each other's messages."""
    sums = [np.full(100 * (1 + number), comm.rank, np.int64) for number in range(4)]
    requests = [comm.Iallreduce(mpi.IN_PLACE, array) for array in sums]
    right, arrived = (comm.rank + 1) % comm.size, np.empty(1)
    requests += [plain.Irecv(arrived), plain.Isend(np.full(1, 7.0), right)]
    assert all(isinstance(request, mpi.Request) for request in requests)
    mpi.Request.Waitall(requests[::-1])
    assert requests[0] == mpi.REQUEST_NULL
    assert arrived[0] == 7
    for array in sums:
        np.testing.assert_array_equal(array, sum(range(comm.size)))


def test_persistent_calls_start_again_with_new_data(comm, mpi):
    a, b = np.zeros(10), np.zeros(10)
    sums, copies = comm.Allreduce_init(a, b), comm.Bcast_init(a, root=comm.size - 1)
    for turn in range(3):
        a[:] = comm.rank + turn
        sums.Start()
        assert sums.Wait() is True
        np.testing.assert_array_equal(b, sum(range(comm.size)) + turn * comm.size)
        type(copies).Startall([copies, sums])
        mpi.Request.Waitall([sums, copies])
        np.testing.assert_array_equal(a, comm.size - 1 + turn)
    assert isinstance(sums, mpi.Prequest)
    sums.Free()
    copies.Free()


def test_errors_are_those_of_mpi(comm, mpi):
    a, b = np.zeros(3), np.zeros(3)
    for call, kind in (
        (lambda: comm.Bcast(a, root=comm.size), mpi.ERR_ROOT),
        (lambda: comm.Allreduce(a, b, mpi.BAND), mpi.ERR_OP),
        (lambda: comm.Allreduce(a, b, mpi.OP_NULL), mpi.ERR_OP),
        (lambda: comm.Bcast([a, 3, mpi.DATATYPE_NULL]), mpi.ERR_TYPE),
    ):
        with pytest.raises(mpi.Exception) as caught:
            call()
        assert caught.value.Get_error_class() == kind
    for call, error, words in (
        (lambda: comm.Allreduce(a, b[:2]), ValueError, "mismatch in send count 3 and receive count 2"),
        (lambda: comm.Allreduce(a, b.astype("f")), ValueError, "mismatch in send and receive MPI datatypes"),
        (lambda: comm.Bcast([a, -1]), ValueError, "negative count -1"),
        (lambda: comm.Bcast(np.zeros((4, 4))[:, 1]), ValueError, "not contiguous"),
        (lambda: comm.Bcast(3), TypeError, "expecting buffer or list/tuple"),
        (lambda: comm.Allgatherv(a, [b, [1] * (comm.size + 1)]), ValueError, f"expecting {comm.size} items"),
        (lambda: comm.Bcast([a, "?!"]), KeyError, "cannot map"),
    ):
        with pytest.raises(error, match=words):
            call()


def test_all_that_come_of_it_are_of_its_kind(comm, mpi):
    settings = comm._settings
    for made in (comm.Dup(), comm.Clone(), comm.Split(comm.rank % 2, -comm.rank), comm.Create(comm.Get_group())):
        assert type(made) is mpitrain.Communicator
        assert made._settings == settings
        total = np.array([made.rank])
        made.Allreduce(mpi.IN_PLACE, total)
        assert total[0] == sum(range(made.size))
        made.Free()
        assert made == mpi.COMM_NULL
        with pytest.raises(mpi.Exception):
            made.Barrier()
    assert comm.Split(mpi.UNDEFINED) == mpi.COMM_NULL
    assert comm.Compare(mpi.COMM_WORLD) == mpi.IDENT


def test_an_algorithm_never_gives_way_to_another(mpi):
    comm = mpitrain.Communicator(mpi.COMM_WORLD, "ring")
    op = mpi.Op.Create(lambda left, right, datatype: None, commute=False)
    with pytest.raises(ScheduleError, match="does not keep rank order"):
        comm.Allreduce(np.zeros(3), np.zeros(3), op)
    op.Free()
    comm.calls.close()
    with pytest.raises(ScheduleError, match="no algorithm 'rang' for any collective"):
        mpitrain.Communicator(mpi.COMM_WORLD, "rang")
    with pytest.raises(ScheduleError, match="no collective 'alreduce'"):
        mpitrain.Communicator(mpi.COMM_WORLD, {"alreduce": "ring"})
    with pytest.raises(ValueError, match="engine 'smp': expected auto, mpi or shared"):
        mpitrain.Communicator(mpi.COMM_WORLD, engine="smp")


def test_explains_what_it_runs(comm):
    lines = comm.explain().splitlines()
    assert [line.split()[0] for line in lines if line[0] != " "] == list(OURS)
    if comm._settings[0]:
        assert lines[0].startswith(
            f"allreduce       any size: {comm.calls.world.engine} recursive_doubling: as asked for; "
        )
    elif comm.size > 1:
        assert lines[0].startswith("allreduce       small: library: table: up to 64 KiB without a plan; ")
    assert comm.explain("allreduce", 8).collective == "allreduce"


def test_memory_of_all_ranks(mpi):
    comm = mpitrain.Communicator(mpi.COMM_WORLD)
    a, b = comm.empty(100_000), comm.empty(100_000)
    a[:] = comm.rank
    comm.Allreduce(a, b)
    np.testing.assert_array_equal(b, sum(range(comm.size)))
    comm.calls.close()
