"""Algorithms with parameters in their names, on real ranks: what NumPy says comes of them, and they have been heard."""

import numpy as np
import pytest
from cases import assert_same, case, contributions
from mpi4py import MPI

pytestmark = pytest.mark.mpi

SIZE = MPI.COMM_WORLD.size
HALVES = f"{SIZE - SIZE // 2}+{SIZE // 2}" if SIZE > 1 else "1"  # two nodes, of as many ranks or of one more
NAMES = [
    ("allreduce", "segmented_ring(segments=3)"),
    ("allreduce", "recursive_multiplying(radix=3)"),
    ("allreduce", f"torus(rows={next(rows for rows in (2, 3, SIZE) if SIZE % rows == 0)})"),
    ("allreduce", "hierarchical(ranks_per_node=2, inner=ring, outer=swing)"),
    ("allreduce", f"hierarchical(ranks_per_node={HALVES}, outer=binomial_tree)"),
    ("reduce_scatter", f"hierarchical(ranks_per_node={HALVES})"),
    ("allgather", f"hierarchical(ranks_per_node={HALVES}, inner=bruck)"),
    ("bcast", "chain(segments=5)"),
    ("bcast", "scatter_allgather(allgather=bruck)"),
    ("reduce", "double_tree(segments=2)"),
]


@pytest.mark.parametrize(("collective", "algorithm"), NAMES)
def test_against_numpy(one_engine, collective, algorithm):
    world, root = one_engine, SIZE - 1
    for count in (0, 1, SIZE + 1, 1003):
        given, _, arguments, wanted = case(collective, contributions(SIZE, count), world.rank, root)
        buffer = given.copy()
        plan = world.plan(collective, buffer, algorithm=algorithm, **arguments)
        assert plan.algorithm == algorithm
        for run in (plan.run, lambda: getattr(world, collective)(buffer, algorithm=algorithm, **arguments)):  # noqa: B023
            buffer[:] = given
            got = run()
            assert (got is None) == (wanted is None)
            if wanted is not None:
                assert_same(got, wanted)
        plan.free()


@pytest.mark.parametrize("segments", [3, 7])
def test_a_chain_has_as_many_links_as_its_name_says(one_engine, segments):
    """A reduction along p ranks in s segments combines s (p - 1) times, all ranks together."""
    world, combined = one_engine, []

    def add(left, right):
        combined.append(left.size)
        return left + right

    got = world.reduce(np.full(70, 1.0), add, algorithm=f"chain(segments={segments})", root=0)
    assert got is None if world.rank else (got == SIZE).all()
    assert world.allreduce(np.array([len(combined)]))[0] == segments * (SIZE - 1)
    assert world.allreduce(np.array([sum(combined)]))[0] == 70 * (SIZE - 1)
