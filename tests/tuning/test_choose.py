"""What `auto` takes: complete, honest about its reason, only of ways that exist, and by the sources in their order."""

from itertools import product

import pytest

from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.tuning import Choice, Measured, Place, Tuning, Way, choose
from mpitrain.tuning.choice import size_in_words
from mpitrain.tuning.defaults import A_CORE_EACH, IN_RANK_ORDER, MORE_RANKS_THAN_CORES
from mpitrain.tuning.model import MEETING, terms

QUIET = Place("Some MPI 1", ranks=4, nodes=1, ranks_per_node=4, crowded=False)
CROWDED = QUIET._replace(crowded=True)
APART = QUIET._replace(nodes=2, ranks_per_node=2)


@pytest.mark.parametrize("table", [A_CORE_EACH, MORE_RANKS_THAN_CORES])
def test_every_collective_and_every_size_has_a_choice(table):
    assert table.keys() <= CATALOGUE.keys() - {"gossip"}
    for collective, rows in table.items():
        bounds = [row.up_to for row in rows]
        assert bounds[-1] is None
        assert None not in bounds[:-1]
        assert bounds[:-1] == sorted(bounds[:-1])
        for row in rows:
            assert len(set(row.ways)) == len(row.ways) >= 2
            for engine, name in row.ways:
                assert engine in ("shared", "mpi")
                find(collective, name)


@pytest.mark.parametrize("place", [QUIET, CROWDED, APART])
@pytest.mark.parametrize("library", [False, True])
@pytest.mark.parametrize("engines", [("shared", "mpi"), ("shared",), ("mpi",)])
def test_a_choice_is_possible_wherever_one_is(engines, library, place):
    if place is APART:
        engines = ("mpi",)
    for collective, nbytes in product(CATALOGUE.keys() - {"gossip"}, (0, 1 << 15, 1 << 19, 1 << 30)):
        choice = choose(collective, nbytes, Tuning(place), engines=engines, library=library)
        assert choice.engine in engines
        assert library or choice.algorithm != "library"
        assert choice.runner_up != str(choice.way)


@pytest.mark.parametrize("engines", [("shared", "mpi"), ("mpi",)])
def test_operations_that_do_not_commute_get_an_ordered_algorithm(engines):
    for collective, place in product(IN_RANK_ORDER, (QUIET, APART)):
        if place is APART and engines != ("mpi",):
            continue
        choice = choose(collective, 1 << 30, Tuning(place), engines=engines, library=False, commutative=False)
        found = find(collective, choice.algorithm)
        assert not isinstance(found, Opaque)
        assert found.ordered
        assert choice.engine == engines[0]


@pytest.mark.parametrize(
    ("nbytes", "place", "engines", "way", "reason", "runner_up"),
    [
        (9, QUIET, ("shared", "mpi"), "library", "table: up to 16 KiB, a core for each rank", "shared direct"),
        (1 << 30, QUIET, ("shared", "mpi"), "shared direct", "table: above 1 MiB, a core for each rank", "mpi ring"),
        (1 << 30, QUIET, ("mpi",), "mpi ring", "table: above 1 MiB, a core for each rank", "library"),
        (1 << 20, CROWDED, ("mpi",), "mpi direct", "table: above 64 KiB, more ranks than cores", "library"),
    ],
)  # fmt: skip
def test_the_reason_is_in_words(nbytes, place, engines, way, reason, runner_up):
    choice = choose("allreduce", nbytes, Tuning(place), engines=engines)
    assert str(choice) == f"{way}: {reason}; runner-up {runner_up}"


def test_the_reason_of_a_table_without_bounds():
    assert choose("barrier", 1, Tuning(QUIET)).reason == "table: a core for each rank"


# What was measured.

MEASURED = Measured(
    (1024, 16384, 65536),
    {
        Way("mpi", "library"): (1e-6, 16e-6, 64e-6),
        Way("shared", "direct"): (4e-6, 4e-6, 4e-6),
        Way("mpi", "ring"): (8e-6, 128e-6, 256e-6),
    },
)
HERE = Tuning(QUIET, {"allreduce": MEASURED})


@pytest.mark.parametrize(
    ("nbytes", "library_us"),
    [(1024, 1.0), (4096, 4.0), (2048, 2.0), (16384, 16.0), (32768, 32.0), (65536, 64.0)],
)
def test_times_between_two_sizes_lie_on_a_straight_line_of_logarithms(nbytes, library_us):
    """The library's times here are proportional to the bytes."""
    assert MEASURED.predict(Way("mpi", "library"), nbytes) == pytest.approx(library_us * 1e-6)
    assert MEASURED.predict(Way("shared", "direct"), nbytes) == pytest.approx(4e-6)


def test_logarithms_not_numbers():
    """The ring's times grow with the root of the bytes from 16 to 64 KiB."""
    assert MEASURED.predict(Way("mpi", "ring"), 32768) == pytest.approx(128e-6 * 2**0.5)


def test_the_least_of_the_predicted_times_wins():
    choice = choose("allreduce", 2048, HERE)
    assert (choice.way, choice.runner_up) == (Way("mpi", "library"), "shared direct")
    assert (choice.seconds, choice.runner_up_seconds) == (pytest.approx(2e-6), pytest.approx(4e-6))
    assert str(choice) == (
        "library (2.0 us): measured between 1 KiB and 16 KiB, 4 ranks on 1 node, a core for each rank, Some MPI 1; "
        "runner-up shared direct (4.0 us)"
    )
    choice = choose("allreduce", 16384, HERE)
    assert (choice.way, choice.runner_up, choice.elsewhere) == (Way("shared", "direct"), "library", None)
    assert choice.reason.startswith("measured at 16 KiB, ")


def test_only_what_is_possible_takes_part():
    assert choose("allreduce", 2048, HERE, engines=("mpi",), library=False).way == Way("mpi", "ring")
    choice = choose("allreduce", 2048, HERE, engines=("shared",))
    assert (choice.way, choice.runner_up, choice.runner_up_seconds) == (Way("shared", "direct"), "none", None)
    assert choose("allreduce", 65536, HERE, library=False, commutative=False).way == Way("shared", "direct")


@pytest.mark.parametrize("nbytes", [0, 1023, 65537])
def test_beyond_what_was_measured_the_default_tables_stand(nbytes):
    assert choose("allreduce", nbytes, HERE) == choose("allreduce", nbytes, Tuning(QUIET))
    assert choose("bcast", 2048, HERE) == choose("bcast", 2048, Tuning(QUIET))


def test_where_memory_lies_elsewhere_and_calls_without_a_plan():
    """Both are told by the default tables, also where plans in shared memory were measured."""
    slow = Tuning(QUIET, {"allgather": Measured((1024, 1 << 24), {Way("shared", "ring"): (1.0, 1.0)})})
    choice = choose("allgather", 1 << 20, slow)
    assert choice.way == Way("shared", "ring")
    assert choice.elsewhere is not None
    assert choice.elsewhere.way == Way("mpi", "library")
    once = choose("allreduce", 16384, HERE, once=True)
    assert (once.way, once.reason) == (Way("mpi", "library"), "table: up to 64 KiB without a plan")
    assert choose("allreduce", 65536, HERE, once=True, engines=("shared",)).way == Way("shared", "direct")


def test_algorithms_that_want_equal_blocks_are_not_for_uneven_ones(monkeypatch):
    """`auto` must never fail for a count; an alltoall's blocks are always equal."""
    bruck = CATALOGUE["alltoall"]["bruck"]
    assert bruck.equal_blocks
    table = {Way("mpi", "bruck"): (1e-6,), Way("mpi", "library"): (2e-6,)}
    measured = {"alltoall": Measured((8,), table), "allgather": Measured((8,), table)}
    monkeypatch.setitem(CATALOGUE["allgather"], "bruck", bruck)
    assert choose("alltoall", 8, Tuning(QUIET, measured)).algorithm == "bruck"
    assert choose("allgather", 8, Tuning(QUIET, measured)).algorithm == "library"


# The priced model.


def test_several_nodes_are_priced():
    """4 ranks on 2 nodes, 64 MiB, halving-doubling: partners share a node first, and exchange halves; then each sends a
    quarter, and gets one, through the node's port; each half and quarter there and back."""
    nbytes = 1 << 26
    choice = choose("allreduce", nbytes, Tuning(APART, node_sizes=(2, 2)), engines=("mpi",), library=False)
    network = "1.5 us a message, 12.5 GB/s between nodes"
    assert choice.reason == f"priced model: 4 ranks on 2 nodes, {network}, nothing measured here"
    found = {of.algorithm: of for of in terms("allreduce", 4, (2, 2))}
    halving = found["halving_doubling"]
    assert (halving.steps, halving.messages, halving.far, halving.near) == (4, 4, 2 * 2 / 4, 2 / 2)
    assert choice.seconds == pytest.approx(min(
        of.steps * 4e-6 + of.messages * 1.5e-6 + nbytes * (of.far / 12.5e9 + of.near / 10e9) for of in found.values()
    ))  # fmt: skip


def test_messages_of_one_step_follow_each_other():
    """An allreduce of 4 ranks: a ring's 2 (p - 1) steps have a message each, direct's two steps p - 1 each."""
    found = {of.algorithm: (of.steps, of.messages, of.far, of.near) for of in terms("allreduce", 4)}
    assert found["ring"] == (6, 6, 1.5, 0)
    assert found["direct"] == (2, 6, pytest.approx(1.5 * MEETING), 0)
    assert found["double_tree"][2] >= 1.5  # whatever rank 0 itself may send


def test_between_nodes_much_data_goes_by_lanes():
    """A ring's node sends 2 (p - 1) / p of the data to the next; lanes, or halving near ranks first, 2 (m - 1) / m."""
    found = {of.algorithm: of.far for of in terms("allreduce", 8, (4, 4))}
    assert found["ring"] == pytest.approx(2 * 7 / 8)
    assert found["hierarchical"] == pytest.approx(2 * 1 / 2)
    place = APART._replace(ranks=8, ranks_per_node=4)
    choice = choose("allreduce", 1 << 28, Tuning(place, node_sizes=(4, 4)), engines=("mpi",))
    assert found[choice.algorithm] == found["hierarchical"]


def test_algorithms_of_nodes_are_for_ranks_that_follow_each_other():
    measured = {"allreduce": Measured((8,), {Way("mpi", "hierarchical"): (1e-6,), Way("mpi", "ring"): (2e-6,)})}
    for node_sizes, algorithm in (((2, 2), "hierarchical"), (None, "ring")):
        tuning = Tuning(APART, measured, (), node_sizes)
        assert choose("allreduce", 8, tuning, engines=("mpi",)).algorithm == algorithm


def test_the_model_takes_few_steps_for_small_data_and_few_bytes_for_large():
    sixty_four = Tuning(Place("Some MPI 1", ranks=64, nodes=16, ranks_per_node=4, crowded=False))
    small, large = (choose("allreduce", n, sixty_four, engines=("mpi",), library=False) for n in (8, 1 << 28))
    by_name = {of.algorithm: of for of in terms("allreduce", 64)}
    assert by_name[small.algorithm].steps <= 6  # log2 of the ranks
    assert by_name[large.algorithm].far <= 2 * 63 / 64  # Patarasuk and Yuan's bound
    assert choose("allreduce", 8, sixty_four, engines=("mpi",)).algorithm == "library"


def test_the_model_serves_thousands_of_ranks():
    many = Tuning(Place("Some MPI 1", ranks=4096, nodes=64, ranks_per_node=64, crowded=False))
    assert choose("allreduce", 1 << 20, many, engines=("mpi",)).seconds > 0


@pytest.mark.parametrize("place", [QUIET, APART])
def test_what_no_algorithm_serves_is_said(place):
    with pytest.raises(ScheduleError, match=r"^no choice for 'allsum': "):
        choose("allsum", 8, Tuning(place))


def test_sizes_are_told_exactly():
    told = {
        0: "0 bytes",
        1: "1 byte",
        1000: "1,000 bytes",
        1024: "1 KiB",
        65536: "64 KiB",
        1 << 20: "1 MiB",
        1 << 30: "1024 MiB",
    }
    assert {nbytes: size_in_words(nbytes) for nbytes in told} == told


def test_a_choice_as_text():
    bare = Choice("bcast", "direct", "shared", "because", "none")
    assert str(bare) == "shared direct: because; runner-up none"
    assert str(bare._replace(seconds=1.25e-3)) == "shared direct (1,250.0 us): because; runner-up none"


def test_no_algorithm_of_equal_blocks_for_an_alltoall_of_given_counts():
    """Bruck's may be the fastest that was measured, and is out of the question where blocks differ."""
    seconds = {Way("mpi", "bruck"): (1.0, 1.0), Way("mpi", "pairwise"): (2.0, 2.0)}
    tuning = Tuning(QUIET, {"alltoall": Measured((1, 1 << 20), seconds)})
    assert choose("alltoall", 8, tuning, engines=("mpi",)).algorithm == "bruck"
    assert choose("alltoall", 8, tuning, engines=("mpi",), equal_blocks=False).algorithm == "pairwise"


def test_what_would_be_bound_anew_for_each_call_is_left_to_the_library():
    assert choose("scan", 1 << 20, Tuning(QUIET)).algorithm == "linear"
    choice = choose("scan", 1 << 20, Tuning(QUIET), once=True)
    assert (choice.algorithm, choice.reason) == ("library", "table: without a plan")
    assert choose("scan", 1 << 20, Tuning(QUIET), once=True, library=False).engine == "shared"
