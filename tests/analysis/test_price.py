"""Prices are the textbooks' closed forms, to the last digit: exact numbers on both sides.

T05  Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
R04  Rabenseifner, Optimization of collective reduction operations, ICCS 2004
P09  Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms for clusters of workstations, JPDC 69(2), 2009
C05  Chen, Zhang, Zhang and Yuan, Performance evaluation of allgather algorithms on terascale Linux cluster with fast
     Ethernet, HPC Asia 2005
J10  Jain and Sabharwal, Optimal bucket algorithms for large MPI collectives on torus interconnects, ICS 2010
R17  Ruefenacht, Bull and Booth, Generalisation of recursive doubling for AllReduce: now with simulation, Parallel
     Computing 69, 2017
M18  Mikami et al., Massively distributed SGD: ImageNet/ResNet-50 training in a flash, arXiv:1811.05233, 2018
T20  Traeff and Hunold, Decomposing MPI collectives for exploiting multi-lane communication, CLUSTER 2020
D24  De Sensi et al., Swing: short-cutting rings for higher bandwidth allreduce, NSDI 2024
B97  Bruck et al., Efficient algorithms for all-to-all communications in multiport message-passing systems, IEEE TPDS
     8(11), 1997
J07  Pjesivac-Grbovic et al., Performance analysis of MPI collective operations, Cluster Computing 10(2), 2007
S09  Sanders, Speck and Traeff, Two-tree algorithms for full bandwidth broadcast, reduction and scan, Parallel
     Computing 35(12), 2009
H88  Hensgen, Finkel and Manber, Two algorithms for barrier synchronization, IJPP 17(1), 1988
"""

from fractions import Fraction
from math import ceil, log

import pytest

from mpitrain.analysis.price import bytes_sent, price
from mpitrain.analysis.prove import prove
from mpitrain.analysis.rounds import rounds
from mpitrain.collectives.algorithm import Algorithm, per_rank, whole
from mpitrain.collectives.catalogue import find
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step
from mpitrain.network import Network

# Numbers that are in no simple relation, so that no two different formulas agree by chance.
ALPHA, BETA, GAMMA, BYTES = Fraction(1009, 7), Fraction(3, 1013), Fraction(11, 1019), 30030
NETWORK = Network.flat(ALPHA, BETA, GAMMA)
POWERS = tuple(1 << k for k in range(7))
ANY = tuple(range(1, 18))
EVEN = ANY[1::2]


def log2(p):
    """Rounded up."""
    return (p - 1).bit_length()


def share(p):
    return Fraction(p - 1, p)


def square(p):
    """The divisors of p that are nearest to each other."""
    return min(((d, p // d) for d in range(1, p + 1) if p % d == 0), key=sum)


# collective, name, sizes at which it holds: messages x alpha, multiples of n x beta, of n x gamma (None: the source
# does not say), source.
CLOSED_FORMS = [
    ("allreduce", "ring", ANY, lambda p: (2 * (p - 1), 2 * share(p), share(p)), "P09"),
    # One port for all: two messages a step instead of one, half as long.
    ("allreduce", "bidirectional_ring", ANY, lambda p: (4 * (p - 1), 2 * share(p), share(p)), "J10"),
    ("allreduce", "segmented_ring(segments=1)", ANY, lambda p: (2 * (p - 1), 2 * share(p), share(p)), "P09"),
    *(
        (
            "allreduce",
            f"segmented_ring(segments={segments})",
            ANY,
            lambda p, s=segments: (2 * (p - 1) * ceil(s / p), 2 * share(p), share(p)),
            "P09, every message in pieces",
        )
        for segments in (2, 3, 8, 40)
    ),
    ("allreduce", "swing", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "D24"),
    *(
        (
            "allreduce",
            f"recursive_multiplying(radix={k})",
            (1, k, k**2, k**3),
            lambda p, k=k: ((k - 1) * round(log(p, k)),) * 3,
            "R17: k - 1 messages of n bytes in log_k(p) rounds",
        )
        for k in (2, 3, 4, 5)
    ),
    *(
        (
            "allreduce",
            f"torus(rows={rows})",
            tuple(range(rows, 18, rows)),
            lambda p, r=rows: (2 * (p // r - 1) + 2 * (r - 1), 2 * share(p), share(p)),
            "M18: rings of both lengths",
        )
        for rows in (1, 2, 3, 4)
    ),
    *(
        (
            "allreduce",
            f"hierarchical(ranks_per_node={q},inner=ring,outer=halving_doubling)",
            (q, 2 * q, 4 * q),
            lambda p, q=q: (2 * (q - 1) + 2 * log2(p // q), 2 * share(p), share(p)),
            "T20: as its parts",
        )
        for q in (2, 3, 4)
    ),
    ("allreduce", "hierarchical", ANY, lambda p: (2 * sum(square(p)) - 4, 2 * share(p), share(p)), "T20"),
    ("reduce_scatter", "hierarchical(ranks_per_node=1)", ANY, lambda p: (p - 1, share(p), share(p)), "P09"),
    ("allgather", "hierarchical(ranks_per_node=1)", ANY, lambda p: (p - 1, share(p), 0), "P09"),
    ("allreduce", "recursive_doubling", POWERS, lambda p: (log2(p), log2(p), log2(p)), "T05 4.5"),
    ("allreduce", "halving_doubling", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "T05 4.5, R04"),
    ("allreduce", "binomial_tree", POWERS, lambda p: (2 * log2(p), 2 * log2(p), log2(p)), "T05 4.5 and 4.2"),
    # In a model with one port, all at once is one after the other: as a ring.
    ("allreduce", "direct", ANY, lambda p: (2 * (p - 1), 2 * share(p), share(p)), "T05 4.4, pairwise, and 4.1"),
    ("reduce_scatter", "ring", ANY, lambda p: (p - 1, share(p), share(p)), "P09"),
    ("reduce_scatter", "direct", ANY, lambda p: (p - 1, share(p), share(p)), "T05 4.4, pairwise"),
    ("reduce_scatter", "recursive_halving", POWERS, lambda p: (log2(p), share(p), share(p)), "T05 4.4"),
    ("allgather", "ring", ANY, lambda p: (p - 1, share(p), 0), "T05 4.1"),
    ("allgather", "direct", ANY, lambda p: (p - 1, share(p), 0), "T05 4.1"),
    ("allgather", "bruck", ANY, lambda p: (log2(p), share(p), 0), "B97, T05 4.1"),
    ("allgather", "neighbour_exchange", EVEN, lambda p: (p // 2, share(p), 0), "C05"),
    ("allgather", "recursive_doubling", POWERS, lambda p: (log2(p), share(p), 0), "T05 4.1"),
    ("bcast", "binomial_tree", ANY, lambda p: (log2(p), log2(p), 0), "T05 4.2"),
    ("bcast", "scatter_allgather", ANY, lambda p: (log2(p) + p - 1, 2 * share(p), 0), "T05 4.2, van de Geijn"),
    (
        "bcast",
        "scatter_allgather(allgather=recursive_doubling)",
        POWERS,
        lambda p: (2 * log2(p), 2 * share(p), 0),
        "T05 4.2, van de Geijn",
    ),
    ("reduce", "binomial_tree", POWERS, lambda p: (log2(p), log2(p), log2(p)), "T05 4.5"),
    ("reduce", "halving_gather", POWERS, lambda p: (2 * log2(p), 2 * share(p), share(p)), "T05 4.5, R04"),
    ("alltoall", "bruck", POWERS, lambda p: (log2(p), Fraction(log2(p), 2), 0), "B97, T05 4.3"),
    ("allreduce", "linear", ANY, lambda p: (2 * (p - 1), 2 * (p - 1), p - 1), "J07, both halves"),
    ("bcast", "linear", ANY, lambda p: (p - 1, p - 1, 0), "J07"),
    ("reduce", "linear", ANY, lambda p: (p - 1, p - 1, p - 1), "J07"),
    ("gather", "linear", ANY, lambda p: (p - 1, share(p), 0), "a message to or from each"),
    ("gather", "binomial_tree", ANY, lambda p: (log2(p), share(p), 0), "T05 4.5, of its reduce"),
    ("scatter", "linear", ANY, lambda p: (p - 1, share(p), 0), "a message to or from each"),
    ("scatter", "binomial_tree", ANY, lambda p: (log2(p), share(p), 0), "T05 4.2, of its bcast"),
    ("alltoall", "linear", ANY, lambda p: (p - 1, share(p), 0), "J07"),
    ("alltoall", "pairwise", ANY, lambda p: (p - 1, share(p), 0), "T05 4.3"),
    # To keep rank order, what comes first from above cannot be added when it comes: one more share is added at the end.
    ("reduce_scatter", "pairwise", ANY, lambda p: (p - 1, share(p), share(p) if p < 3 else 1), "T05 4.4, and a share"),
    ("scan", "linear", ANY, lambda p: (p - 1, p - 1, p - 1), "a chain of whole messages"),
    ("exscan", "linear", ANY, lambda p: (p - 1, p - 1, max(p - 2, 0)), "a chain whose last rank adds nothing"),
    ("scan", "recursive_doubling", POWERS, lambda p: (log2(p), log2(p), None), "MPICH's source"),
    ("barrier", "dissemination", ANY, lambda p: (log2(p), log2(p), log2(p)), "H88"),
    ("barrier", "binomial_tree", POWERS, lambda p: (2 * log2(p), 2 * log2(p), log2(p)), "up and down a tree"),
    ("barrier", "central", ANY, lambda p: (2 * (p - 1), 2 * (p - 1), p - 1 + (p > 1)), "all at one port"),
    ("exscan", "recursive_doubling", POWERS, lambda p: (log2(p), log2(p), None), "MPICH's source"),
    ("gossip", "one_peer_exponential", ANY, lambda p: (log2(p), log2(p), log2(p)), "one message a round"),
]


@pytest.mark.parametrize(
    ("collective", "name", "sizes", "form", "source"),
    CLOSED_FORMS,
    ids=[f"{form[1]}.{form[0]}" for form in CLOSED_FORMS],
)
def test_the_closed_forms_of_the_literature(collective, name, sizes, form, source):
    for p in sizes:
        messages, sent, reduced = form(p)
        network = NETWORK if reduced is not None else Network.flat(ALPHA, BETA, 0)
        expected = messages * ALPHA + sent * BYTES * BETA + (reduced or 0) * BYTES * GAMMA
        found = price(find(collective, name).schedule(p), BYTES, network)
        assert found == expected, f"{name}.{collective} at {p}: {source}"
        assert not isinstance(found, float)


@pytest.mark.parametrize("root", [0, 1, 6])
def test_a_root_elsewhere_costs_the_same(root):
    for collective, names in (
        ("bcast", ("binomial_tree", "scatter_allgather", "direct", "linear")),
        ("reduce", ("binomial_tree", "halving_gather", "direct", "linear")),
    ):
        for algorithm in (find(collective, name) for name in names):
            assert price(algorithm.schedule(7, root=root), BYTES, NETWORK) == price(
                algorithm.schedule(7), BYTES, NETWORK
            )


def test_a_subtree_of_blocks_that_goes_on_from_the_last_rank_to_the_first_is_one_more_message():
    """Counted from the root, the subtrees of 8 ranks are 1, 2-3 and 4-7: with root 4 they are 5, 6-7 and 0-3."""
    for collective in ("gather", "scatter"):
        algorithm = find(collective, "binomial_tree")
        costs = [price(algorithm.schedule(8, root=root), BYTES, NETWORK) for root in range(8)]
        assert [(cost - costs[0]) / ALPHA for cost in costs] == [0, 1, 1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("segments", [1, 2, 3, 8])
def test_a_chain_is_a_pipeline(segments):
    """J07: p - 2 + s messages of n / s bytes; a sum in rank order has one link more if the root is in the middle."""
    part = Fraction(BYTES, segments)
    for p in range(2, 18):
        links = p - 2 + segments
        bcast, reduce = (find(collective, "chain") for collective in ("bcast", "reduce"))
        for root in {0, p // 2, p - 1}:
            found = price(bcast.schedule(p, segments=segments, root=root), BYTES, NETWORK)
            assert found == links * (ALPHA + BETA * part)
            found = price(reduce.schedule(p, segments=segments, root=root), BYTES, NETWORK)
            assert found == links * (ALPHA + (BETA + GAMMA) * part) + (0 < root < p - 1) * (ALPHA + BETA * part)


def test_two_trees_use_the_whole_bandwidth():
    """S09: s segments of n / s bytes follow each other without a gap; the last has up to 2 log2(p) steps to go."""
    for p in range(2, 66):
        for segments in (1, 2, 3, 8):
            for collective in ("bcast", "reduce"):
                found = rounds(find(collective, "double_tree").schedule(p, segments=segments))
                assert segments <= found <= segments + 2 * (p.bit_length() - 1)
            both = find("allreduce", "double_tree").schedule(p, segments=segments)
            assert rounds(both) <= 2 * (segments + 2 * (p.bit_length() - 1))
        assert prove(both).roundings <= 2 * (p.bit_length() - 1) + 1
    for p in (8, 16, 32, 64):
        for segments in (2, 8, 32):
            steps, part = segments + 2 * log2(p) - 1, Fraction(BYTES, segments)
            bcast, reduce, allreduce = (
                price(find(collective, "double_tree").schedule(p, segments=segments), BYTES, NETWORK)
                for collective in ("bcast", "reduce", "allreduce")
            )
            assert bcast == steps * (ALPHA + BETA * part)
            assert reduce <= steps * (ALPHA + (BETA + GAMMA) * part)
            assert allreduce <= bcast + reduce


def test_recursive_doubling_with_guests():
    """T05 4.4's fold: floor(log2 p) + 2 messages; the guest's data are reduced first, then handed back."""
    for p in (3, 5, 6, 7, 9, 12):
        core = p.bit_length() - 1
        expected = (core + 2) * (ALPHA + BYTES * BETA) + (core + 1) * BYTES * GAMMA
        assert price(find("allreduce", "recursive_doubling").schedule(p), BYTES, NETWORK) == expected


def test_halving_doubling_with_guests():
    """R04 with whole vectors in and out: two more messages of n bytes, one more reduction."""
    for p in (3, 5, 6, 7, 9, 12):
        core = 1 << (p.bit_length() - 1)
        expected = (
            2 * (core.bit_length() - 1) * ALPHA
            + 2 * share(core) * BYTES * BETA
            + share(core) * BYTES * GAMMA
            + 2 * (ALPHA + BYTES * BETA)
            + BYTES * GAMMA
        )
        assert price(find("allreduce", "halving_doubling").schedule(p), BYTES, NETWORK) == expected


def test_recursive_multiplying_with_mixed_groups_and_guests():
    """R17, radix 4: 7 ranks are groups of 3 and 2 with one guest, 11 of 3 and 3 with two, 12 of 3 and 4."""
    for p, messages, guests in ((7, 3, 1), (11, 4, 1), (12, 5, 0), (13, 5, 1), (16, 6, 0)):
        expected = (messages + 2 * guests) * (ALPHA + BYTES * BETA) + (messages + guests) * BYTES * GAMMA
        assert price(find("allreduce", "recursive_multiplying").schedule(p), BYTES, NETWORK) == expected


def test_swing_with_guests_is_as_halving_doubling():
    for p in (3, 6, 7, 12):
        swing, halving = (find("allreduce", name).schedule(p) for name in ("swing", "halving_doubling"))
        assert price(swing, BYTES, NETWORK) == price(halving, BYTES, NETWORK)


def test_bruck_sends_the_blocks_whose_bit_is_set():
    """B97: in round k every rank sends the blocks j < p with bit k of j set."""
    for p in ANY:
        blocks = sum(bin(j).count("1") for j in range(p))
        expected = log2(p) * ALPHA + Fraction(blocks, p) * BYTES * BETA
        assert price(find("alltoall", "bruck").schedule(p), BYTES, NETWORK) == expected


def written(*programs, chunks=whole):
    return Algorithm("allreduce", "written", lambda rank, size: iter(programs[rank]), chunks).schedule(len(programs))


def test_a_port_carries_one_message_at_a_time_each_way():
    """Two senders, one receiver: the second message waits at the receiver's port. An exchange is full duplex."""
    message = ALPHA + BETA * BYTES
    two_into_one = written([Step(recv=[Copy(1, 0), Copy(2, 0)])], *[[Step(send=[Send(0, 0)])]] * 2)
    assert price(two_into_one, BYTES, NETWORK) == 2 * message
    one_into_two = written([Step(send=[Send(1, 0), Send(2, 0)])], *[[Step(recv=[Copy(0, 0)])]] * 2)
    assert price(one_into_two, BYTES, NETWORK) == 2 * message
    exchange = written(*([Step(send=[Send(1 - r, 0)], recv=[Copy(1 - r, 0)])] for r in range(2)))
    assert price(exchange, BYTES, NETWORK) == message


def test_combining_follows_arrival_and_copies_are_free():
    message = ALPHA + BETA * BYTES
    for receive, expected in ((Copy(0, 0), message), (Reduce(0, 0), message + GAMMA * BYTES)):
        assert price(written([Step(send=[Send(1, 0)])], [Step(recv=[receive])]), BYTES, NETWORK) == expected


def test_bytes_sent_are_a_multiple_of_the_data():
    dealt = written([Step(send=[Send(1, 1), Send(2, range(1, 3))])], [], [], chunks=per_rank)
    assert [bytes_sent(dealt, rank) for rank in range(3)] == [1, 0, 0]
    assert bytes_sent(find("allreduce", "ring").schedule(4), 2) == Fraction(3, 2)


def test_floats_price_too():
    network = Network.flat(1.5e-6, 8e-11, 5e-11)
    exact = Network.flat(*map(Fraction, (1.5e-6, 8e-11, 5e-11)))
    schedule = find("allreduce", "halving_doubling").schedule(12)
    assert price(schedule, 1 << 20, network) == pytest.approx(float(price(schedule, 1 << 20, exact)), rel=1e-12)


@pytest.mark.parametrize("name", ["alpha", "beta", "gamma"])
def test_a_network_has_no_negative_costs(name):
    with pytest.raises(ValueError) as error:
        Network.flat(**({"alpha": 1, "beta": 1, "gamma": 1} | {name: -1}))
    assert str(error.value) == f"{name} -1: expected seconds, 0 or more"
