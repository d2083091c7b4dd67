"""Virtual time is what the schedule costs: on a flat network to the last digit, exact numbers on both sides.

The letters of the sources are those of tests/analysis/test_price.py.
"""

from fractions import Fraction

import numpy as np
import pytest
from cases import CALLED, case, contributions
from virtual_worlds import ALPHA, BETA, FLAT, GAMMA

from mpitrain import virtual
from mpitrain.analysis.price import price
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.network import Network

SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 32, 33, 64)
MANY_MESSAGES = 700
"""Of schedules with more than so many only one is run, at the first size that has them."""

NODES = ["hierarchical(ranks_per_node=2)", "hierarchical(ranks_per_node=4,inner=ring,outer=halving_doubling)"]
EVERY = [(c, name) for c, family in CATALOGUE.items() if c != "gossip" for name in family]
EVERY += [("allreduce", name) for name in (*NODES, "torus(rows=2)", "segmented_ring(segments=3)")]
EVERY += [("allreduce", "double_tree(segments=4)"), ("bcast", "chain(segments=5)"), ("reduce", "chain(segments=5)")]


def seconds_of(collective, algorithm, size, elements, network=FLAT, root=0):
    """The virtual time of one call, of so many float64s in all."""
    share = elements // size

    def main(world):
        if collective == "barrier":
            world.barrier(algorithm=algorithm)
        elif collective == "gather":
            world.gather(np.ones(share), root=root, algorithm=algorithm)
        elif collective == "scatter":
            everything = np.ones(elements) if world.rank == root else None
            world.scatter(everything, np.ones(share), root=root, algorithm=algorithm)
        elif collective in ("bcast", "reduce"):
            getattr(world, collective)(np.ones(elements), root=root, algorithm=algorithm)
        else:
            getattr(world, collective)(np.ones(elements), algorithm=algorithm)

    return virtual.run(main, ranks=size, network=network).seconds


@pytest.mark.parametrize(("collective", "name"), EVERY, ids=[f"{name}.{collective}" for collective, name in EVERY])
def test_every_algorithm_takes_its_price(collective, name):
    """Which is worked out from the programs alone, by another piece of code."""
    compared = 0
    for size in SIZES:
        # What the engine fits to little data, where each rank is a node of its own.
        algorithm = find(collective, name).fitted(segments=1, ranks_per_node=(1,) * size)
        try:
            schedule = algorithm.schedule(size)
            programs = schedule.programs
        except ScheduleError:
            continue  # it is not made for this size
        root = size - 1 if algorithm.rooted else 0
        if root:
            schedule = algorithm.schedule(size, root=root)
        nbytes = 1 if collective == "barrier" else 16 * schedule.chunks
        found = seconds_of(collective, find(collective, name), size, 2 * schedule.chunks, root=root)
        assert found == price(schedule, nbytes, FLAT), f"{size} ranks"
        assert isinstance(found, Fraction)
        compared += 1
        if sum(len(step.send) for program in programs for step in program) > MANY_MESSAGES:
            break
    assert compared >= 3


def log2(p):
    return (p - 1).bit_length()


def share(p):
    return Fraction(p - 1, p)


ANY, POWERS = (2, 3, 5, 8, 12, 16), (2, 4, 8, 16, 64)

# messages x alpha, multiples of n x beta, of n x gamma.
CLOSED_FORMS = [
    ("allreduce", "ring", ANY, lambda p: (2 * (p - 1), 2 * share(p), share(p)), "P09"),
    ("allreduce", "bidirectional_ring", ANY, lambda p: (4 * (p - 1), 2 * share(p), share(p)), "J10"),
    ("allreduce", "direct", ANY, lambda p: (2 * (p - 1), 2 * share(p), share(p)), "T05 4.4 and 4.1"),
    ("allreduce", "recursive_doubling", POWERS, lambda p: (log2(p), log2(p), log2(p)), "T05 4.5"),
    ("allreduce", "halving_doubling", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "R04"),
    ("allreduce", "swing", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "D24"),
    ("allreduce", "binomial_tree", POWERS, lambda p: (2 * log2(p), 2 * log2(p), log2(p)), "T05 4.5 and 4.2"),
    ("allreduce", "linear", ANY, lambda p: (2 * (p - 1), 2 * (p - 1), p - 1), "J07"),
    ("reduce_scatter", "recursive_halving", POWERS, lambda p: (log2(p), share(p), share(p)), "T05 4.4"),
    ("allgather", "bruck", ANY, lambda p: (log2(p), share(p), 0), "B97, T05 4.1"),
    ("bcast", "binomial_tree", ANY, lambda p: (log2(p), log2(p), 0), "T05 4.2"),
    ("bcast", "scatter_allgather", ANY, lambda p: (log2(p) + p - 1, 2 * share(p), 0), "T05 4.2, van de Geijn"),
    ("bcast", "chain(segments=1)", ANY, lambda p: (p - 1, p - 1, 0), "J07"),
    ("bcast", "chain(segments=8)", ANY, lambda p: (p + 6, Fraction(p + 6, 8), 0), "J07: p - 2 + s pieces of n / s"),
    ("reduce", "chain(segments=4)", ANY, lambda p: (p + 2, Fraction(p + 2, 4), Fraction(p + 2, 4)), "J07"),
    ("reduce", "binomial_tree", POWERS, lambda p: (log2(p), log2(p), log2(p)), "T05 4.5"),
    ("reduce", "halving_gather", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "R04"),
    ("gather", "binomial_tree", ANY, lambda p: (log2(p), share(p), 0), "T05 4.5"),
    ("scatter", "binomial_tree", ANY, lambda p: (log2(p), share(p), 0), "T05 4.2"),
    ("alltoall", "pairwise", ANY, lambda p: (p - 1, share(p), 0), "T05 4.3"),
    ("alltoall", "bruck", POWERS, lambda p: (log2(p), Fraction(log2(p), 2), 0), "B97"),
    ("scan", "linear", ANY, lambda p: (p - 1, p - 1, p - 1), "a chain of whole messages"),
]


@pytest.mark.parametrize(
    ("collective", "name", "sizes", "form", "source"),
    CLOSED_FORMS,
    ids=[f"{form[1]}.{form[0]}" for form in CLOSED_FORMS],
)
def test_the_closed_forms_of_the_literature(collective, name, sizes, form, source):
    for p in sizes:
        elements = 8 * p
        messages, sent, reduced = form(p)
        expected = messages * ALPHA + 8 * elements * (sent * BETA + reduced * GAMMA)
        assert seconds_of(collective, find(collective, name), p, elements) == expected, f"{p} ranks: {source}"


def test_long_data_are_cut_into_the_segments_that_fit_them():
    """128 KiB each: a chain of 5 ranks passes 512 KiB on in 4 pieces."""
    elements = 4 * (128 << 10) // 8
    found = seconds_of("bcast", "chain", 5, elements)
    assert found == (5 - 2 + 4) * (ALPHA + BETA * (128 << 10))


def test_two_nodes_take_the_near_and_the_far_time():
    """Two nodes of two ranks: a ring of all, whose every step waits for the far message."""
    network = Network.nodes(2, (Fraction(1), Fraction(1, 8)), (Fraction(10), Fraction(1)), Fraction(0))
    assert seconds_of("allreduce", "ring", 4, 8, network) == 6 * (10 + 16)
    # Within the nodes, across them (two ranks share a port of one rank's width), and within again.
    hierarchical = find("allreduce", "hierarchical(inner=ring,outer=ring)")
    assert seconds_of("allreduce", hierarchical, 4, 8, network) == 2 * (1 + 4) + 2 * (10 + 16 * 2)


@pytest.mark.parametrize(("collective", "name"), CALLED)
def test_the_results_are_those_of_numpy(collective, name):
    """By a call, a started call and a plan that runs twice, for fewer elements than ranks and for more."""
    for size, count in ((1, 3), (2, 1), (3, 2), (5, 11), (8, 0), (8, 19)):
        equal_blocks, data, root = CATALOGUE[collective][name].equal_blocks, contributions(size, count), size // 2

        def main(world, data=data, root=root, equal_blocks=equal_blocks):
            given, room, arguments, wanted = case(collective, data, world.rank, root, equal_blocks)
            buffer = None if given is None else given.copy()
            into = {} if room is None else {"received": np.full(room, -7.0)}
            plan = world.plan(collective, buffer, algorithm=name, **into, **arguments)
            for run in (
                lambda: getattr(world, collective)(buffer, algorithm=name, **into, **arguments),
                lambda: getattr(world, f"start_{collective}")(buffer, algorithm=name, **into, **arguments).wait(),
                plan.run,
                plan.run,
            ):
                if given is not None:
                    buffer[:] = given
                got = run()
                if wanted is not None:
                    np.testing.assert_array_equal(got, wanted)

        virtual.run(main, ranks=size, network="flat")
