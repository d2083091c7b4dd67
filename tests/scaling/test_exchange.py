"""What an exchange takes: closed forms, prices of whole schedules, and which algorithm is the cheapest."""

import numpy as np
import pytest

from mpitrain import virtual
from mpitrain.analysis.price import price
from mpitrain.collectives.catalogue import ALLREDUCE
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.network import Network
from mpitrain.scaling.exchange import cheapest

ALPHA, BETA, GAMMA = 1e-6, 1e-10, 5e-11
FLAT = Network.flat(ALPHA, BETA, GAMMA)
RING = {"ring": ALLREDUCE["ring"]}


@pytest.mark.parametrize("ranks", [2, 3, 8, 512, 4096])
@pytest.mark.parametrize("nbytes", [0, 1 << 20, 411_058_176])
def test_a_ring_takes_what_its_closed_form_says(ranks, nbytes):
    """Patarasuk and Yuan: 2 (p - 1) messages of n / p, of which p - 1 are summed."""
    found = cheapest(RING, ranks, FLAT)(nbytes)
    share = nbytes / ranks
    assert found.seconds == pytest.approx((ranks - 1) * (2 * (ALPHA + share * BETA) + share * GAMMA))
    assert found.algorithm == "ring"


@pytest.mark.parametrize("near", [(1e-7, 1e-11), (1e-7, 3e-10), (5e-6, 1e-11)])
@pytest.mark.parametrize("ranks", [8, 12, 512])
def test_a_ring_through_nodes_goes_as_fast_as_its_slower_links(ranks, near):
    network = Network.nodes(4, near=near, far=(ALPHA, BETA), gamma=GAMMA)
    for nbytes in (1 << 10, 1 << 24):
        slower = max((near, (ALPHA, BETA)), key=lambda wire: wire[0] + wire[1] * nbytes / ranks)
        alone = cheapest(RING, ranks, Network.flat(*slower, GAMMA))(nbytes)
        assert cheapest(RING, ranks, network)(nbytes).seconds == pytest.approx(alone.seconds)


def test_within_one_node_only_its_own_links_count():
    network = Network.nodes(4, near=(1e-7, 1e-11), far=(ALPHA, BETA), gamma=GAMMA)
    alone = cheapest(RING, 4, Network.flat(1e-7, 1e-11, GAMMA))(1 << 20)
    assert cheapest(RING, 4, network)(1 << 20).seconds == pytest.approx(alone.seconds)


@pytest.mark.parametrize("ranks", [2, 3, 8, 9])
@pytest.mark.parametrize("name", ALLREDUCE)
def test_on_a_flat_network_prices_are_those_of_the_whole_schedule(name, ranks):
    algorithm = ALLREDUCE[name]
    if "segments" in dict(algorithm.parameters):
        algorithm = algorithm.with_given(segments=4)  # else they are fitted to the data
    found = cheapest({name: algorithm}, ranks, FLAT)
    for nbytes in (1 << 10, 1 << 24):
        seconds = price(algorithm.schedule(ranks), float(nbytes), FLAT)
        assert found(nbytes) == (pytest.approx(seconds), name, True)


def test_the_cheapest_is_taken_for_each_size():
    """Few messages for little, few bytes for much."""
    found = cheapest({name: ALLREDUCE[name] for name in ("recursive_doubling", "ring")}, 16, FLAT)
    assert [found(nbytes).algorithm for nbytes in (1 << 10, 1 << 26)] == ["recursive_doubling", "ring"]


def test_what_does_not_work_for_so_many_is_left_out_and_alone_refused():
    torus = ALLREDUCE["torus"].with_given(rows=5)
    assert cheapest({"torus(rows=5)": torus, "ring": ALLREDUCE["ring"]}, 16, FLAT)(8).algorithm == "ring"
    with pytest.raises(ScheduleError, match="torus: rows=5 at size 16: expected a divisor"):
        cheapest({"torus(rows=5)": torus}, 16, FLAT)


@pytest.mark.parametrize("name", ["swing", "direct", "recursive_doubling"])
def test_where_links_are_shared_a_price_is_a_bound(name):
    """No cheaper than a run on virtual ranks, which is dearer than if nobody shared a port."""
    network = Network.nodes(4, near=(ALPHA, BETA), far=(ALPHA, BETA), gamma=GAMMA)
    found = cheapest({name: ALLREDUCE[name]}, 8, network)(1 << 24)
    alone = price(ALLREDUCE[name].schedule(8), float(1 << 24), FLAT)
    ran = virtual.run(lambda world: world.allreduce(np.zeros(1 << 24, np.uint8), algorithm=name), 8, network)
    assert not found.exact and alone < ran.seconds <= found.seconds * (1 + 1e-9)


def test_a_ring_through_nodes_is_exact_at_any_size():
    network = Network.nodes(4, near=(ALPHA, BETA), far=(ALPHA, BETA), gamma=GAMMA)
    assert cheapest(RING, 4096, network)(1 << 24).exact
