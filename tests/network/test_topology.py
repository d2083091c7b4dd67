"""Routes and shared links, against what one finds by hand."""

import pytest

from mpitrain.network import Fault, Network, Route


def test_a_flat_network_shares_nothing():
    assert Network.flat(3, 2, 1).route(5, 9) == Route(3, 2, ())


def test_between_nodes_messages_share_the_nodes_ports():
    network = Network.nodes(4, near=(1, 2), far=(10, 20), gamma=0, port=5)
    assert network.route(4, 7) == Route(1, 2, ())
    assert network.route(3, 4) == Route(10, 20, (("out of node", 0), ("into node", 1)))
    assert network.beta_of(("out of node", 0)) == 5
    assert network.node_sizes(10) == (4, 4, 2)


def test_a_nodes_port_is_as_fast_as_one_rank_unless_told():
    assert Network.nodes(4, near=(1, 2), far=(10, 20), gamma=0).beta_of(("into node", 1)) == 20


@pytest.mark.parametrize(
    ("source", "target", "hops"), [(0, 1, 1), (0, 4, 1), (0, 2, 2), (0, 5, 2), (0, 12, 1), (0, 15, 2), (0, 10, 4)]
)
def test_a_torus_goes_the_shorter_way_round(source, target, hops):
    """On 4 x 4: rank 15 is one step up and one step left of rank 0, rank 10 two steps either way."""
    there, back = (Network.torus((4, 4), 1, 2, 0, hop=5).route(*pair) for pair in ((source, target), (target, source)))
    assert len(there.links) == len(back.links) == hops
    assert there.alpha == back.alpha == 1 + 5 * (hops - 1)


def test_on_a_torus_each_link_has_two_ways():
    torus = Network.torus((3, 3, 3), 1, 2, 0)
    routes = [torus.route(0, 9), torus.route(9, 0)]
    assert not set(routes[0].links) & set(routes[1].links)
    assert torus.route(0, 9).links == torus.route(0, 9 + 1).links[:1]  # dimension by dimension


def test_a_fat_tree_goes_up_only_as_far_as_it_must():
    tree = Network.fat_tree((4, 2), 1, 8, 0, oversubscription=(2, 1), hop=1)
    assert tree.route(0, 3) == Route(1, 8, ())
    assert tree.route(0, 7) == Route(3, 8, (("up from switch", 0, 0), ("down to switch", 0, 1)))
    assert tree.route(0, 9) == Route(
        5, 8, (("up from switch", 0, 0), ("up from switch", 1, 0), ("down to switch", 1, 1), ("down to switch", 0, 2))
    )


def test_an_uplink_is_as_wide_as_what_is_below_over_the_oversubscription():
    tree = Network.fat_tree((4, 2), 1, 8, 0, oversubscription=(2, 1))
    assert tree.beta_of(("up from switch", 0, 0)) == 8 / 4 * 2
    assert tree.beta_of(("up from switch", 1, 0)) == 8 / 8 * 2


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Network.flat(-1, 0, 0), "alpha -1: expected seconds, 0 or more"),
        (lambda: Network.flat(0, 0, -1), "gamma -1: expected seconds, 0 or more"),
        (lambda: Network.nodes(0, (0, 0), (0, 0), 0), "ranks_per_node 0: expected 1 or more"),
        (lambda: Network.nodes(1, (0, 0), (0, -2), 0), "far beta -2: expected seconds, 0 or more"),
        (lambda: Network.torus((), 0, 0, 0), r"shape \[\]: expected widths of 1 or more"),
        (lambda: Network.fat_tree((2,), 0, 0, 0, (1, 1)), r"oversubscription \[1, 1\]: expected a factor of 1 or more"),
        (lambda: Network.flat(0, 0, 0, speed=0), "speed 0: expected more than 0"),
    ],
)
def test_what_cannot_be_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_a_network_has_room_for_its_ranks_only():
    with pytest.raises(ValueError, match="10 ranks on a network for 9: torus 3 x 3"):
        Network.torus((3, 3), 1, 1, 0).check_ranks(10)
    with pytest.raises(ValueError, match="the network names rank 8: expected ranks below 8"):
        Network.flat(1, 1, 1, speeds={8: 0.5}).check_ranks(8)


@pytest.mark.parametrize(
    "network",
    [
        Network.nodes(4, (0, 0), (0, 1), 0),
        Network.torus((3, 4), 0, 1, 0),
        Network.torus((2, 2, 3), 0, 1, 0),
        Network.fat_tree((2, 3), 0, 1, 0),
    ],
)
def test_every_link_of_a_route_is_one_of_the_networks(network):
    links = set(network.topology.links(12))
    used = {link for source in range(12) for target in range(12) if source != target
            for link in network.route(source, target).links}  # fmt: skip
    assert used <= links


def test_a_fault_on_a_link_that_is_not_there_is_refused():
    fault = Fault("cut", ("out of node", 3), 0)
    with pytest.raises(ValueError) as failure:
        Network.nodes(4, (0, 0), (0, 1), 0, faults=(fault,)).check_ranks(12)
    assert str(failure.value) == (
        "a fault names the link ['out of node', 3]: expected one that is there, such as ['out of node', 0]"
    )
    with pytest.raises(ValueError, match="expected one that is there, two ranks: this network has no shared links"):
        Network.flat(0, 1, 0, faults=(fault,)).check_ranks(12)
