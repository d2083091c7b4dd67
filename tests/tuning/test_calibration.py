"""The cost model: what it says of cases worked out by hand, and that a fit finds the costs it was given."""

import tomllib
from fractions import Fraction

import numpy as np
import pytest

from mpitrain.analysis.price import price
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.network import Network, read
from mpitrain.tuning import Place
from mpitrain.tuning.caches import moved_bytes
from mpitrain.tuning.calibration import Calibration, Flat, alike, flat_network, flat_network_text, nearest, with_another
from mpitrain.tuning.cost_model import CostModel, Errors, Sample, fit
from mpitrain.tuning.least_squares import nonnegative
from mpitrain.tuning.message_parts import message_parts
from mpitrain.tuning.parts import group_parts, in_order
from mpitrain.tuning.terms import COUNTED, FAR, KNOTS, MOVING, NEAR, shares

KIB, MIB = 1 << 10, 1 << 20
TILE = 256 * KIB
NONE = Errors(0.0, 0.0, 0.0)


def schedule(collective, algorithm, size=2):
    return CATALOGUE[collective][algorithm].schedule(size)


def model(engine, eager=4 * KIB, moved=None, **counted):
    """Only these things cost anything."""
    rows = {term: (0.0,) * len(KNOTS) for term in MOVING[engine]} | (moved or {})
    return CostModel(engine, eager, TILE, dict.fromkeys(COUNTED[engine], 0.0) | counted, rows, 0, NONE)


def test_least_squares_without_negative_numbers():
    known = np.array([0.0, 2.0, 0.5, 0.0])
    matrix = np.random.default_rng(1).normal(size=(9, 4))
    assert nonnegative(matrix, matrix @ known) == pytest.approx(known)
    # By hand: x + y = 1, y = -1 have (2, -1); without negative numbers y is 0, and x is 1.
    assert nonnegative(np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([1.0, -1.0])) == pytest.approx([1.0, 0.0])
    assert nonnegative(np.eye(3), np.array([-1.0, 2.0, -3.0])) == pytest.approx([0.0, 2.0, 0.0])
    assert nonnegative(np.array([[0.0, 1.0]]), np.array([4.0])) == pytest.approx([0.0, 4.0])


@pytest.mark.parametrize("seed", range(20))
def test_no_neighbour_is_nearer_than_the_least_squares(seed):
    """The conditions of Karush, Kuhn and Tucker: a number is 0 where the slope is up, and has no slope elsewhere."""
    rng = np.random.default_rng(seed)
    matrix, wanted = rng.normal(size=(30, 12)), rng.normal(size=30)
    found = nonnegative(matrix, wanted)
    slope = matrix.T @ (matrix @ found - wanted)
    assert (found >= 0).all()
    assert (slope > -1e-8).all()
    assert slope[found > 0] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("collective", "algorithm", "size", "seconds"),
    [
        ("bcast", "linear", 4, 1),  # all pull at one time
        ("bcast", "binomial_tree", 4, 2),
        ("reduce", "linear", 4, 3),  # the root takes one after the other
        ("allreduce", "recursive_doubling", 8, 3),
        ("allreduce", "ring", 5, 8),
        ("allgather", "ring", 5, 4),
        ("allreduce", "linear", 2, 2),  # there, and back
    ],
)
def test_long_messages_follow_each_other_at_who_receives_them(collective, algorithm, size, seconds):
    found = model("mpi", eager=1, receive_long=1.0).predict(schedule(collective, algorithm, size), 1 << 20)
    assert found == pytest.approx(seconds)


def test_who_sends_short_messages_runs_ahead():
    """In a row of calls the slower of sender and receivers counts; they do not wait for each other in each call."""
    bcast = schedule("bcast", "linear", 4)
    assert model("mpi", send=1.0, receive=5.0).predict(bcast, 100) == pytest.approx(5)
    assert model("mpi", send=10.0, receive=5.0).predict(bcast, 100) == pytest.approx(30)
    assert model("mpi", send=10.0, receive=5.0).predict(bcast, 4 * KIB) == 0  # which is long
    there_and_back = schedule("allreduce", "linear", 2)
    assert model("mpi", send=1.0, receive=5.0).predict(there_and_back, 100) == pytest.approx(12)
    assert model("mpi", signal=1.0).predict(there_and_back, 100) == pytest.approx(2)


def test_groups_of_shared_memory_are_counted():
    direct = schedule("allreduce", "direct", 2)
    assert model("shared", call=1.0).predict(direct, 1000) == pytest.approx(1)
    assert model("shared", group=1.0).predict(direct, 1000) == pytest.approx(3)  # enters, sums, leaves
    assert model("shared", wait=1.0).predict(direct, 1000) == pytest.approx(2)
    assert model("shared", combines=1.0).predict(direct, 2 * TILE) == pytest.approx(1)
    assert model("shared", combines=1.0).predict(direct, 8 * TILE) == pytest.approx(4)  # a call for each tile
    linear = schedule("allreduce", "linear", 2)
    assert model("shared", combines=1.0).predict(linear, 8 * TILE) == pytest.approx(8)  # rank 0 does it all


def of_second_call(parts):
    """What each rank moves in a call that follows another like it."""
    order = in_order(parts)
    ranks: list[dict[str, float]] = [{} for _ in parts]
    for (part, _), moved in zip(order, moved_bytes(order, 2)[1], strict=True):
        for kind, nbytes in moved.items():
            ranks[part.rank][kind] = ranks[part.rank].get(kind, 0) + nbytes
    return ranks


def test_whose_cache_holds_what():
    """In direct, each rank has a half of both buffers to itself: summed, then handed on while it is in the cache. In
    recursive doubling all that a rank reads of the other has been written by it since."""
    direct = {"read_own": 1000, "write": 500, "combine": 500, "copy": 500}
    assert of_second_call(group_parts(schedule("allreduce", "direct"), 1000, TILE)) == [direct, direct]
    doubling = {"read_other": 1000, "write": 2000, "claim": 1000, "copy": 1000, "read_own": 2000, "combine": 1000}
    found = of_second_call(group_parts(schedule("allreduce", "recursive_doubling"), 1000, TILE))
    assert [{**rank, "claim": 1000} for rank in found] == [doubling, doubling]
    assert sum(rank["claim"] for rank in found) == 2000
    root, leaf = of_second_call(message_parts(schedule("bcast", "linear"), 8 * KIB, 4 * KIB))
    assert (root, leaf) == ({}, {"read_own": 8 * KIB, "write": 8 * KIB, "pull": 8 * KIB})
    root, leaf = of_second_call(message_parts(schedule("bcast", "linear"), 1000, 4 * KIB))
    assert (root, leaf) == ({}, {})  # what is short is counted in `short_bytes`


def test_messages_from_private_memory():
    """Scratch, and the copy of what it gave that a rank works on in a reduce, are no memory that ranks share."""
    n = 8 * KIB
    _, leaf = of_second_call(message_parts(schedule("scan", "recursive_doubling"), n, 1))
    assert (leaf["pull_private"], leaf["combine"], "pull" in leaf) == (n, n, False)
    root, other = of_second_call(message_parts(schedule("reduce", "direct"), n, 1))
    assert (root["pull_private"], other["pull"]) == (n, n / 2)  # of the copy: a half to sum, and a half summed
    assert (root.get("copy"), other["copy"]) == (None, n)  # what it gave, to work on


def test_costs_between_knots():
    assert shares(100, 100) == pytest.approx([1, *[0] * 9])
    assert shares(64 * KIB, 128 * KIB) == pytest.approx([0.5, 0.5, *[0] * 8])
    assert shares(64 * MIB, 128 * MIB) == pytest.approx([*[0] * 5, 1, 0, 0, 0, 1])
    assert shares(4 * MIB, 8 * MIB)[len(NEAR) :] == pytest.approx([0] * len(FAR))
    assert shares(16 * MIB, 64 * MIB)[len(NEAR) :] == pytest.approx([0, 0, 1, 0])


def test_what_others_move_meanwhile():
    """Beside: in direct the other rank moves as much as this one does; in linear nobody does."""
    beside = model("shared", moved={"beside": (1.0,) * len(KNOTS)})
    assert beside.predict(schedule("allreduce", "direct"), 4000) == pytest.approx(4000 + 2000)
    assert beside.predict(schedule("allreduce", "linear"), 4000) == 0


MEASURED = {
    "allreduce": ("direct", "recursive_doubling", "linear"),
    "reduce_scatter": ("pairwise",),
    "allgather": ("bruck",),
    "bcast": ("scatter_allgather", "linear"),
    "alltoall": ("linear",),
}
SIZES = (768, 3 * KIB, 12 * KIB, 192 * KIB, 3 * MIB, 48 * MIB)


def known(engine, eager=4 * KIB):
    """Costs of about what they are on a real machine, alike at all knots of one kind."""
    rng = np.random.default_rng(7)
    counted = {term: float(rng.uniform(1e-7, 1e-6)) for term in COUNTED[engine]} | {"signal": 0.0}
    if engine == "mpi":
        counted |= {"receive_long": 2e-6, "send_long": 0.0, "short_bytes": 1e-10}
    moved = {
        term: (float(rng.uniform(5e-12, 5e-11)),) * len(NEAR) + (float(rng.uniform(0, 3e-11)),) * len(FAR)
        for term in MOVING[engine]
    }
    return CostModel(engine, eager, TILE, counted, moved, 0, NONE)


def samples_of(truth):
    return [
        Sample(found, nbytes, truth.predict(found, nbytes))
        for collective, names in MEASURED.items()
        for found in (schedule(collective, name) for name in names)
        for nbytes in SIZES
    ]


@pytest.mark.parametrize("engine", COUNTED, ids="engine {}".format)
def test_a_fit_tells_what_algorithms_take_that_it_has_not_seen(engine):
    truth = known(engine)
    found = fit(engine, samples_of(truth), TILE)
    assert found.errors.mean < 0.005
    assert found.samples == 48
    assert engine == "shared" or found.eager == 4 * KIB
    unseen = [
        (schedule(collective, name), nbytes)
        for collective, name in (("allreduce", "bidirectional_ring"), ("allgather", "ring"), ("scan", "linear"))
        for nbytes in (KIB, 64 * KIB, MIB, 64 * MIB)
    ]
    errors = Errors.of([found.predict(*case) for case in unseen], [truth.predict(*case) for case in unseen])
    assert errors.median < 0.01
    assert errors.largest < 0.1


def test_disturbed_samples_do_not_count():
    truth = known("shared")
    quiet = samples_of(truth)
    disturbed = [s._replace(seconds=3 * s.seconds) if at % 11 == 5 else s for at, s in enumerate(quiet)]
    found = fit("shared", disturbed, TILE)
    assert Errors.of([found.predict(s.schedule, s.nbytes) for s in quiet], [s.seconds for s in quiet]).median < 0.01
    assert found.errors.largest > 0.5


def test_a_flat_network_is_found_again():
    network = Network.flat(2e-6, 3e-10, 5e-11)
    samples = [
        Sample(found, nbytes, float(price(found, nbytes, network)))
        for found in (schedule("allreduce", name, 4) for name in ("ring", "recursive_doubling", "halving_doubling"))
        for nbytes in (Fraction(KIB), Fraction(MIB))
    ]
    found = flat_network(samples)
    assert (found.alpha, found.beta, found.gamma) == pytest.approx((2e-6, 3e-10, 5e-11))


HERE = Place("Some MPI 1", ranks=2, nodes=1, ranks_per_node=2, crowded=False)
THERE = HERE._replace(ranks=8, ranks_per_node=8, crowded=True)


def calibration(place, barrier, **about):
    return Calibration(place, barrier, {}, Flat(1.5e-6, 8e-11, 5e-11), {}, about)


def test_a_flat_network_as_toml(tmp_path):
    text = flat_network_text(calibration(HERE, 5e-7))
    assert text == (
        "# 2 ranks on 1 node, a core for each rank, Some MPI 1\n"
        'topology = "flat"\nalpha = 1.5e-06\nbeta = 8e-11\ngamma = 5e-11\n'
    )
    assert tomllib.loads(text) == {"topology": "flat", "alpha": 1.5e-6, "beta": 8e-11, "gamma": 5e-11}
    (tmp_path / "net.toml").write_text(text)
    network, same = read(tmp_path / "net.toml"), Network.flat(1.5e-6, 8e-11, 5e-11)
    assert (network.topology, network.gamma) == (same.topology, same.gamma)


def test_a_place_has_a_calibration_for_each_nearness():
    near, far, crowded = calibration(HERE, 5e-7), calibration(HERE, 7e-7), calibration(THERE, 5e-7)
    all_three = with_another(with_another((far,), crowded), near)
    assert all_three == (near, far, crowded)
    assert alike(5e-7, 5.5e-7)
    assert not alike(5e-7, 6e-7)
    assert not alike(6e-7, 5e-7)
    again = calibration(HERE, 5.2e-7)
    assert with_another(all_three, again) == (again, far, crowded)
    assert nearest((near, far), 5.8e-7) is near
    assert nearest((near, far), 6e-7) is far
    assert nearest((near, far), 1e-3) is far
