"""What is called exact is the price of the whole schedule, to the last digit; what is called a bound bounds it."""

from fractions import Fraction

import pytest

from mpitrain.analysis.estimate import curve, curves, estimate, nodes_of
from mpitrain.analysis.estimate.curve import SEGMENTS
from mpitrain.analysis.price import price
from mpitrain.collectives.algorithm import Algorithm, per_rank, whole
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.schedule import Copy, Reduce, ScheduleError, Send, Step
from mpitrain.engines.fitting import segments_of
from mpitrain.network import Network

ALPHA, BETA, GAMMA = Fraction(1009, 7), Fraction(3, 1013), Fraction(11, 1019)
NETWORK = Network.flat(ALPHA, BETA, GAMMA)
SIZES = (2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 24, 31, 33, 64)
FEWER = (2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 33)
QUADRATIC = (
    "ring", "bidirectional_ring", "segmented_ring", "direct", "pairwise", "neighbour_exchange", "scatter_allgather",
    "torus", "hierarchical", "linear",
)  # fmt: skip
"""Their messages grow with the square of the ranks (torus, hierarchical: at primes): they get fewer sizes."""
BYTES = (1003, 10**7)
ALGORITHMS = [(collective, name) for collective, family in CATALOGUE.items() for name in family]
WALKED_ONLY = 10**9


def holds(found, schedule):
    for nbytes in BYTES:
        right = price(schedule, nbytes, NETWORK)
        assert found.lower.at(nbytes) <= right
        assert found.upper is None or right <= found.upper.at(nbytes)
        assert not found.exact or right == found.lower.at(nbytes)
    return found


@pytest.mark.parametrize(("collective", "name"), ALGORITHMS, ids=[f"{b}.{a}" for a, b in ALGORITHMS])
def test_estimates_hold_however_they_are_found(collective, name):
    """Walked, and by some ranks for all, as if there were too many ranks to walk."""
    for size in FEWER if name in QUADRATIC else SIZES:
        schedule = find(collective, name).schedule(size)
        assert holds(estimate(schedule, NETWORK, quick=WALKED_ONLY), schedule).how == "walked"
        assert holds(estimate(schedule, NETWORK, quick=0, most=0), schedule).how in (
            "alike",
            "pipeline",
            "bounds",
            "at least",
        )


@pytest.mark.parametrize(
    ("collective", "name"),
    [
        ("allreduce", "ring"), ("allreduce", "bidirectional_ring"), ("allreduce", "recursive_doubling"),
        ("allreduce", "halving_doubling"), ("allreduce", "swing"), ("allreduce", "recursive_multiplying"),
        ("allreduce", "torus"), ("allreduce", "hierarchical"), ("allreduce", "direct"), ("allgather", "bruck"),
        ("alltoall", "bruck"), ("alltoall", "linear"), ("alltoall", "pairwise"), ("barrier", "dissemination"),
    ],
)  # fmt: skip
def test_a_few_ranks_speak_for_all_exactly(collective, name):
    """With guests, too, and in groups that are not alike."""
    for size in SIZES:
        assert estimate(find(collective, name).schedule(size), NETWORK, quick=0, most=0).how == "alike", size


@pytest.mark.parametrize(
    ("collective", "name"),
    [("bcast", "chain"), ("reduce", "chain"), *((c, "double_tree") for c in ("bcast", "reduce", "allreduce"))],
)
@pytest.mark.parametrize("segments", [4, 6, 16, 64])
def test_segments_follow_each_other(collective, name, segments):
    for size in (3, 4, 5, 7, 8, 12, 16, 17, 31):
        schedule = find(collective, name).schedule(size, segments=segments)
        found = holds(estimate(schedule, NETWORK, quick=0), schedule)
        assert found.how == "pipeline"
        assert found.exact


def test_a_chain_with_a_root_in_the_middle():
    for root in (0, 3, 6):
        schedule = find("reduce", "chain").schedule(7, segments=8, root=root)
        assert holds(estimate(schedule, NETWORK, quick=0), schedule).exact


CLOSED_FORMS = [
    ("allreduce", "ring", lambda p, log: (2 * (p - 1), 2, 1)),
    ("allreduce", "halving_doubling", lambda p, log: (2 * log, 2, 1)),
    ("reduce_scatter", "recursive_halving", lambda p, log: (log, 1, 1)),
    ("allgather", "neighbour_exchange", lambda p, log: (p // 2, 1, 0)),
    ("alltoall", "pairwise", lambda p, log: (p - 1, 1, 0)),
]


@pytest.mark.parametrize(("collective", "name", "form"), CLOSED_FORMS, ids=[f"{form[1]}" for form in CLOSED_FORMS])
def test_the_closed_forms_hold_at_many_ranks(collective, name, form):
    """Multiples of (p - 1) / p for the bytes, as at small sizes."""
    p = 4096
    messages, sent, summed = form(p, 12)
    share = Fraction(p - 1, p) * 10**6
    found = estimate(find(collective, name).schedule(p), NETWORK)
    assert found.exact
    assert found.lower.at(10**6) == messages * ALPHA + sent * share * BETA + summed * share * GAMMA


def written(*programs, chunks=whole):
    return Algorithm("allreduce", "written", lambda rank, size: iter(programs[rank]), chunks).schedule(len(programs))


def test_who_is_later_may_depend_on_the_size():
    """Rank 2 waits for a rank that waits for much data, then for one that has sent four times: many messages are later
    if they are small, much data if it is much."""
    schedule = written(
        [Step(recv=[Reduce(4, range(4))]), Step(send=[Send(2, 0)])],
        [*[Step(send=[Send(3, 0)])] * 4, Step(send=[Send(2, 1)])],
        [Step(recv=[Copy(0, 0)]), Step(recv=[Copy(1, 1)])],
        [Step(recv=[Copy(1, 0)])] * 4,
        [Step(send=[Send(0, range(4))])],
        chunks=per_rank,
    )
    found = holds(estimate(schedule, NETWORK), schedule)
    assert found.exact
    assert len(found.lower.lines) == 2


def test_where_the_order_at_a_port_depends_on_the_size_it_is_bounded():
    schedule = written(
        [Step(recv=[Reduce(4, range(4))]), Step(send=[Send(2, 0)])],
        [*[Step(send=[Send(3, 0)])] * 4, Step(send=[Send(2, 1)])],
        [Step(recv=[Copy(0, 0), Copy(1, 1)])],
        [Step(recv=[Copy(1, 0)])] * 4,
        [Step(send=[Send(0, range(4))])],
        chunks=per_rank,
    )
    assert holds(estimate(schedule, NETWORK), schedule).how == "bounds"


def test_whom_nobody_sends_to():
    with pytest.raises(ScheduleError) as error:
        estimate(written([Step(recv=[Copy(1, 0)])], []), NETWORK)
    assert str(error.value) == ("written.allreduce(size=2): rank 0 waits for ever for a message from rank 1")


def test_segments_are_fitted_as_engines_fit_them():
    for start, segments in SEGMENTS:
        assert segments_of(start) == segments
        assert start == 0 or segments_of(start - 1) == segments // 2
    chain = curve("chain", find("bcast", "chain"), 4, NETWORK)
    for nbytes in (1, 128 << 10, (128 << 10) + 1, 1 << 20, 1 << 30):
        right = price(find("bcast", "chain").schedule(4, segments=segments_of(nbytes)), nbytes, NETWORK)
        assert chain.at(nbytes).lower.at(nbytes) == right


def test_parameters_are_fitted_to_nodes():
    near, far = (1e-7, 1e-11), (1e-6, 1e-10)
    assert nodes_of(Network.nodes(4, near, far, 0), 8) == 4
    assert nodes_of(Network.nodes(4, near, far, 0), 10) == 4
    assert nodes_of(NETWORK, 10) == ()


def test_on_nodes_a_port_carries_all_that_leaves():
    """Two nodes of two ranks; halving-doubling's first messages stay in the node, its second ones share the port."""
    near, far = (1, 2), (10, 20)
    network = Network.nodes(2, near, far, gamma=0)
    found = estimate(find("allreduce", "halving_doubling").schedule(4), network)
    n = 400
    alone = 2 * (1 + 2 * n // 2) + 2 * (10 + 20 * n // 4)
    assert found.how == "bounds"
    through_port = 2 * 2 * 20 * n // 4
    assert (found.lower.at(n), found.upper.at(n)) == (through_port, alone + through_port // 2)
    assert found.lower.at(1) == 2 * (1 + 1) + 2 * (10 + 5)  # a rank's own work, for little data
    ring = estimate(find("allreduce", "ring").schedule(4), network)
    assert (ring.how, ring.lower.at(n)) == ("walked", 6 * (10 + 20 * n // 4))


def test_many_ranks_on_nodes_are_bounded():
    network = Network.nodes(8, (5e-7, 1e-10), (1.5e-6, 8e-11), 5e-11)
    for found in curves("allreduce", 64, network):
        for few in found.estimates:
            assert few.lower.at(10**6) <= few.upper.at(10**6)
