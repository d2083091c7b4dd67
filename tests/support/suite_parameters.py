"""Algorithms with parameters in their names, on many ranks: what NumPy says comes of them, and they have been heard."""

import numpy as np
import pytest
from cases import assert_same, case, contributions

NAMES = [
    ("allreduce", "segmented_ring(segments=3)"),
    ("allreduce", "recursive_multiplying(radix=3)"),
    ("allreduce", "torus(rows={rows})"),
    ("allreduce", "hierarchical(ranks_per_node=2, inner=ring, outer=swing)"),
    ("allreduce", "hierarchical(ranks_per_node={halves}, outer=binomial_tree)"),
    ("reduce_scatter", "hierarchical(ranks_per_node={halves})"),
    ("allgather", "hierarchical(ranks_per_node={halves}, inner=bruck)"),
    ("bcast", "chain(segments=5)"),
    ("bcast", "scatter_allgather(allgather=bruck)"),
    ("reduce", "double_tree(segments=2)"),
]


def for_size(name, size):
    """Two nodes, of as many ranks or of one more; and rows of one length."""
    halves = f"{size - size // 2}+{size // 2}" if size > 1 else "1"
    return name.format(halves=halves, rows=next(rows for rows in (2, 3, size) if size % rows == 0))


@pytest.mark.parametrize(("collective", "algorithm"), NAMES)
def test_against_numpy(world, collective, algorithm):
    size, root = world.size, world.size - 1
    algorithm = for_size(algorithm, size)
    for count in (0, 1, size + 1, 1003):
        given, _, arguments, wanted = case(collective, contributions(size, count), world.rank, root)
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
def test_a_chain_has_as_many_links_as_its_name_says(world, segments):
    """A reduction along p ranks in s segments combines s (p - 1) times, all ranks together."""
    combined = []

    def add(left, right):
        combined.append(left.size)
        return left + right

    got = world.reduce(np.full(70, 1.0), add, algorithm=f"chain(segments={segments})", root=0)
    assert got is None if world.rank else (got == world.size).all()
    assert world.allreduce(np.array([len(combined)]))[0] == segments * (world.size - 1)
    assert world.allreduce(np.array([sum(combined)]))[0] == 70 * (world.size - 1)
