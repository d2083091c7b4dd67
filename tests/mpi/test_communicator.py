"""`Communicator` against mpi4py's own communicator: the same call gives the same bytes, whatever runs it."""

import ml_dtypes
import numpy as np
import pytest

from mpitrain import ScheduleError

pytestmark = pytest.mark.mpi

PREDEFINED = ("SUM", "PROD", "MIN", "MAX", "LAND", "LOR", "LXOR", "BAND", "BOR", "BXOR")


def arrays(*shapes, dtype=np.float64, rank=0):
    """Of small numbers, which add up exactly."""
    rng = np.random.default_rng(rank)
    return [rng.integers(0, 4, shape).astype(dtype) for shape in shapes]


def same(comm, plain, call, *kinds):
    """`call(communicator)`, which makes arrays, changes them in the same way on both; what it returns is compared."""
    for kind in kinds or ("blocking", "nonblocking", "persistent"):
        mine, theirs = call(Kinds(comm, kind)), call(plain)
        for ours, wanted in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(ours, wanted, err_msg=kind)


class Kinds:
    """A communicator whose blocking calls are made by its calls of another kind."""

    def __init__(self, comm, kind):
        self.comm, self.kind, self.rank, self.size = comm, kind, comm.rank, comm.size

    def __getattr__(self, name):
        if self.kind == "blocking":
            return getattr(self.comm, name)
        if self.kind == "nonblocking":
            return lambda *args, **named: getattr(self.comm, f"I{name.lower()}")(*args, **named).Wait()
        return lambda *args, **named: self.twice(getattr(self.comm, f"{name}_init")(*args, **named))

    @staticmethod
    def twice(request):
        request.Start()
        request.Wait()
        request.Free()


FORMS = {
    "array": lambda mpi, a: a,
    "of two axes": lambda mpi, a: a.reshape(2, -1),
    "in Fortran's order": lambda mpi, a: a.reshape(2, -1).T,
    "memoryview": lambda mpi, a: memoryview(a),
    "type": lambda mpi, a: [a, mpi.DOUBLE],
    "name of a type": lambda mpi, a: (a, "d"),
    "count": lambda mpi, a: [a, a.size],
    "count and type": lambda mpi, a: [a, a.size, mpi.DOUBLE],
    "displacement": lambda mpi, a: [a, (a.size - 2, 2), "d"],
    "four": lambda mpi, a: [a, a.size - 2, 1, mpi.DOUBLE],
    "bytes of another type": lambda mpi, a: [a.view(np.uint8), a.size, mpi.DOUBLE],
}


@pytest.mark.parametrize("form", FORMS)
def test_takes_every_form_of_a_buffer(comm, plain, mpi, form):
    of = FORMS[form]

    def call(on):
        a, b = arrays(12, 12, rank=on.rank)
        on.Allreduce(of(mpi, a), of(mpi, b), op=mpi.MAX)
        on.Bcast(of(mpi, a), root=on.size - 1)
        on.Scan(of(mpi, b), of(mpi, a))
        on.Reduce(mpi.IN_PLACE if on.rank == 0 else of(mpi, a), of(mpi, a) if on.rank == 0 else None)
        return a, b

    same(comm, plain, call)


@pytest.mark.parametrize("dtype", ["?", "b", "H", "i", "q", "f", "d", "g", "F", "D", "G"])
def test_every_type_and_predefined_operation(comm, plain, mpi, dtype):
    for name in PREDEFINED:
        op = getattr(mpi, name)
        kinds = "?biu" if name[0] in "LB" else "iuf" if name[0] == "M" else "iufc"
        if np.dtype(dtype).kind not in kinds or (dtype == "?") is name.startswith("B"):
            continue

        def call(on, op=op):
            a, b, c = arrays(7, 7, 7, dtype=dtype, rank=on.rank)
            on.Allreduce(a, b, op=op)
            on.Exscan(mpi.IN_PLACE, c, op)
            return b, (c if on.rank else a)

        same(comm, plain, call)


@pytest.mark.parametrize("pair", ["FLOAT_INT", "DOUBLE_INT", "LONG_INT", "TWOINT"])
def test_places_of_extremes(comm, plain, mpi, pair):
    datatype = getattr(mpi, pair)
    number = {"F": "f4", "D": "f8", "L": "i8", "T": "i4"}[pair[0]]
    layout = np.dtype([("value", number), ("place", "i4")], align=True)

    def call(on):
        (values,) = arrays(9, rank=on.rank)
        a, b = np.zeros(9, layout), np.zeros(9, layout)
        a["value"], a["place"] = values, on.rank
        on.Allreduce([a, 9, datatype], [b, 9, datatype], mpi.MAXLOC)
        on.Reduce([b, datatype], [a, datatype] if on.rank == 0 else None, op=mpi.MINLOC)
        return a["value"], a["place"], b["value"], b["place"]

    same(comm, plain, call)


def test_operations_of_the_caller_keep_rank_order(comm, plain, mpi):
    """Products of 2 x 2 matrices do not commute. The elements are of a derived type with a gap."""
    matrix = mpi.DOUBLE.Create_vector(2, 2, 3).Create_resized(0, 48).Commit()

    def multiply(left, right, datatype):
        assert datatype.extent == 48
        a, b = (np.frombuffer(side, np.float64).reshape(-1, 2, 3) for side in (left, right))
        b[:, :, :2] = a[:, :, :2] @ b[:, :, :2]

    op = mpi.Op.Create(multiply, commute=False)

    def call(on):
        a, b, c = (array.reshape(-1) for array in arrays((5, 2, 3), (5, 2, 3), (5, 2, 3), rank=on.rank))
        on.Allreduce([a, 5, matrix], [b, 5, matrix], op)
        on.Scan([a, 5, matrix], [c, 5, matrix], op)
        return a, b, c

    same(comm, plain, call)
    op.Free()
    matrix.Free()


def test_the_first_rank_comes_first(comm, plain, mpi):
    """The first of two operands, on plain numbers: what the lowest rank gave."""

    def first(left, right, datatype):
        right[:] = left

    op = mpi.Op.Create(first, commute=False)

    def call(on):
        a, b, c = (np.full(6, 10.0 * number + on.rank) for number in range(3))
        on.Allreduce(a, b, op)
        on.Scan(mpi.IN_PLACE, c, op)
        on.Reduce(mpi.IN_PLACE if on.rank == 0 else a, a, op)
        return a, b, c

    same(comm, plain, call)
    op.Free()


def test_blocks_of_different_lengths_at_any_place(comm, plain, mpi):
    size = comm.size
    counts = [(3 * rank + 1) % 4 for rank in range(size)]
    displs = [5 * (size - 1 - rank) + 1 for rank in range(size)]

    def call(on):
        own, all_of_them, others, more = arrays(counts[on.rank], 5 * size, 5 * size, 5 * size, rank=on.rank)
        root = size // 2
        on.Allgatherv(own, [all_of_them, (counts, displs), "d"])
        on.Gatherv(own, [others, (counts, displs), mpi.DOUBLE] if on.rank == root else None, root=root)
        on.Scatterv([others, counts, displs, mpi.DOUBLE] if on.rank == root else None, own, root)
        on.Alltoallv([all_of_them, ([2] * size, displs)], [more, ([2] * size, 2)])
        on.Alltoallv(mpi.IN_PLACE, [more, ([2] * size, 3)])
        return own, all_of_them, others, more

    if comm._settings[1] == "shared":
        with pytest.raises(ScheduleError, match=r"linear\.gather by a nonblocking call needs all ranks' counts"):
            comm.Igatherv(np.zeros(1), np.zeros(size) if comm.rank == 0 else None)
    same(comm, plain, call, *(("blocking", "persistent") if comm._settings[1] == "shared" else ()))


def test_reduce_scatter_leaves_what_is_not_its_own(comm, plain, mpi):
    counts = [rank % 3 for rank in range(comm.size)]

    def call(on):
        whole, block, equal, one = arrays(sum(counts), counts[on.rank], 2 * on.size, 2, rank=on.rank)
        on.Reduce_scatter(whole, block, counts, mpi.SUM)
        on.Reduce_scatter(whole, block, op=mpi.MAX)
        on.Reduce_scatter_block(equal, one)
        on.Reduce_scatter(mpi.IN_PLACE, whole, counts)
        on.Reduce_scatter_block(mpi.IN_PLACE, equal)
        return whole, block, equal, one

    same(comm, plain, call)


def test_where_nothing_is_received_nothing_changes(comm, mpi):
    given, gotten = np.arange(4.0), np.full(4, -1.0)
    comm.Exscan(given, gotten)
    np.testing.assert_array_equal(gotten, -1.0 if comm.rank == 0 else given * comm.rank)
    comm.Exscan(mpi.IN_PLACE, given)
    np.testing.assert_array_equal(given, np.arange(4.0) * max(comm.rank, 1))


def test_derived_types_and_absolute_addresses(comm, plain, mpi):
    column = mpi.DOUBLE.Create_vector(3, 1, 4).Commit()

    def call(on):
        a, b = arrays((3, 4), (3 * on.size,), rank=on.rank)
        at = mpi.DOUBLE.Create_hindexed([3], [mpi.Get_address(a) + 32]).Commit()
        on.Bcast([a, 1, column] if on.rank == 0 else [b, 3, mpi.DOUBLE])
        on.Allgather([mpi.BOTTOM, 1, at], [b, 3, mpi.DOUBLE])
        on.Alltoall([b, 3, mpi.DOUBLE], [b.copy(), 3, mpi.DOUBLE])
        on.Gather([a, 1, column], [b, 3, "d"] if on.rank == 0 else None)
        on.Scatter([b, 3, "d"] if on.rank == 0 else None, [a, 1, column])
        at.Free()
        return a, b

    same(comm, plain, call)
    column.Free()


def test_what_is_sent_may_be_read_only(comm, mpi):
    given = np.arange(5.0) + comm.rank
    given.flags.writeable = False
    gotten = np.empty(5)
    comm.Reduce(given, gotten if comm.rank == 0 else None)
    comm.Bcast(given if comm.rank == 0 else gotten)
    np.testing.assert_array_equal(gotten, np.arange(5.0) if comm.rank else given * comm.size + sum(range(comm.size)))
    with pytest.raises(ValueError, match="read-only"):
        comm.Allreduce(mpi.IN_PLACE, given)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types(comm, dtype):
    a, b = np.full(6, comm.rank, dtype), np.empty(6, dtype)
    comm.Allreduce(a, b)
    np.testing.assert_array_equal(b.astype(float), sum(range(comm.size)))
    comm.Bcast(b if comm.rank == 0 else a)
    np.testing.assert_array_equal((a if comm.rank else b).astype(float), sum(range(comm.size)))
