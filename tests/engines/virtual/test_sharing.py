"""Links are shared by max-min fairness: hand-made cases, properties of any, and whole runs against hand-made times."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_worlds import each, nothing

from mpitrain import virtual
from mpitrain.engines.virtual.sharing import fair_rates
from mpitrain.network import Network

HALF, THIRD = Fraction(1, 2), Fraction(1, 3)
FAST = Fraction(1000)
"""A flow's own limit that no link reaches."""

# What each flow passes (and its own limit), the links' widths, what each flow gets.
CASES = {
    # Bertsekas and Gallager, section 6.5.2, the example of five sessions on links of width 1.
    "five sessions": (
        [(FAST, "b"), (FAST, "a"), (FAST, "ab"), (FAST, "c"), (FAST, "a")], {"a": 1, "b": 1, "c": 1},
        [2 * THIRD, THIRD, THIRD, 1, THIRD],
    ),
    "one alone": ([(FAST, "a")], {"a": 3}, [3]),
    "one alone that is slower than its link": ([(2, "a")], {"a": 3}, [2]),
    "no link at all": ([(2, ""), (FAST, "")], {}, [2, FAST]),
    "one passes both, others one each": (
        [(FAST, "a"), (FAST, "b"), (FAST, "ab")], {"a": 1, "b": 2}, [HALF, 3 * HALF, HALF],
    ),
    "the same, the wider link's own flow is slow": (
        [(FAST, "a"), (Fraction(1), "b"), (FAST, "ab")], {"a": 1, "b": 2}, [HALF, 1, HALF],
    ),
    "what a slow one leaves is for the others": (
        [(HALF / 2, "a"), (FAST, "b"), (FAST, "ab")], {"a": 1, "b": 2}, [HALF / 2, 5 * HALF / 2, 3 * HALF / 2],
    ),
    "a chain: the long one gets least": (
        [(FAST, "abc"), (FAST, "a"), (FAST, "b"), (FAST, "c")], {"a": 1, "b": 1, "c": 4}, [HALF, HALF, HALF, 7 * HALF],
    ),
    "a cut link": ([(FAST, "ab"), (FAST, "b"), (FAST, "b")], {"a": 0, "b": 2}, [0, 1, 1]),
    "a link that nobody passes": ([(FAST, "a")], {"a": 1, "b": 0}, [1]),
    "nobody": ([], {"a": 1}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_fair_rates_by_hand(case):
    flows, widths, wanted = CASES[case]
    got = fair_rates(
        [(limit, tuple(links)) for limit, links in flows], {link: Fraction(w) for link, w in widths.items()}
    )
    assert got == wanted


@st.composite
def networks_with_flows(draw):
    widths = {link: Fraction(draw(st.integers(1, 12)), draw(st.integers(1, 4))) for link in "abcdef"}
    some = st.sets(st.sampled_from(sorted(widths))).map(lambda links: tuple(sorted(links)))
    limits = st.fractions(Fraction(1, 10), 10, max_denominator=10)
    return draw(st.lists(st.tuples(limits, some), max_size=9)), widths


@settings(max_examples=150, deadline=None)
@given(networks_with_flows())
def test_no_link_is_over_its_width_and_every_flow_has_a_bottleneck(found):
    """Which is what max-min fairness is: Bertsekas and Gallager, section 6.5.2."""
    flows, widths = found
    rates = fair_rates(flows, widths)
    used = {link: sum(rate for rate, (_, links) in zip(rates, flows, strict=True) if link in links) for link in widths}
    assert all(used[link] <= widths[link] for link in widths)
    for rate, (limit, links) in zip(rates, flows, strict=True):
        full = [link for link in links if used[link] == widths[link]]
        others = [[r for r, (_, passed) in zip(rates, flows, strict=True) if link in passed] for link in full]
        assert rate <= limit
        assert rate == limit or any(rate == max(sharing) for sharing in others)


def nodes(ranks_per_node, alpha=0, port=None):
    """Within a node no time at all; between nodes a byte takes a second, of all ranks of a node together if not said
    otherwise."""
    return Network.nodes(ranks_per_node, (0, 0), (Fraction(alpha), Fraction(1)), Fraction(0), port=port)


def transfers(network, ranks, flows):
    """When each of the (source, target, bytes, start) arrives; no rank sends or receives two of them."""
    arrived = {}

    def main(world):
        for number, (source, target, nbytes, start) in enumerate(flows):
            if world.rank == source:
                world.compute(start)
                world.send(np.zeros(nbytes, np.uint8), target)
            elif world.rank == target:
                world.recv(np.zeros(nbytes, np.uint8), source)
                arrived[number] = world.now()

    virtual.run(main, ranks=ranks, network=network)
    return [arrived[number] for number in range(len(flows))]


def test_two_through_one_node_s_port_take_twice_the_time():
    one, two = [(0, 2, 100, 0)], [(0, 2, 100, 0), (1, 3, 100, 0)]
    assert transfers(nodes(2, alpha=10), 4, one) == [10 + 100]
    assert transfers(nodes(2, alpha=10), 4, two) == [10 + 200] * 2
    # A port as wide as both ranks' together; one of 3/2.
    assert transfers(nodes(2, alpha=10, port=HALF), 4, two) == [10 + 100] * 2
    assert transfers(nodes(2, alpha=10, port=Fraction(2, 3)), 4, two) == [10 + Fraction(400, 3)] * 2


def test_a_port_in_is_shared_as_a_port_out_is():
    """From two nodes into one; and from one into two; against two ways at once, which share nothing."""
    assert transfers(nodes(2), 6, [(2, 0, 60, 0), (4, 1, 60, 0)]) == [120, 120]
    assert transfers(nodes(2), 6, [(0, 2, 60, 0), (1, 4, 60, 0)]) == [120, 120]
    assert transfers(nodes(2), 4, [(0, 2, 60, 0), (3, 1, 60, 0)]) == [60, 60]
    assert transfers(nodes(2), 8, [(0, 2, 60, 0), (4, 6, 60, 0)]) == [60, 60]


def test_a_third_that_joins_halfway():
    """Two send 120 bytes at 1/2 a second. At 120 s they have 60 left, and a third of 30 makes it 1/3 each: it is there
    after 90 s. Then the first two have 30 left, at 1/2."""
    assert transfers(nodes(3), 6, [(0, 3, 120, 0), (1, 4, 120, 0), (2, 5, 30, 120)]) == [270, 270, 210]


def test_one_that_ends_leaves_its_share_to_the_others():
    """1/3 each until the first is there at 30; 1/2 each until the second is at 50; and the whole for the last."""
    assert transfers(nodes(3), 6, [(0, 3, 10, 0), (1, 4, 20, 0), (2, 5, 40, 0)]) == [30, 50, 70]


def test_within_a_node_nothing_is_shared():
    network = Network.nodes(4, (Fraction(2), Fraction(1)), (Fraction(7), Fraction(5)), Fraction(0))
    assert transfers(network, 4, [(0, 1, 60, 0), (2, 3, 60, 0)]) == [62, 62]


def test_neighbours_on_a_torus_share_nothing_and_two_over_one_link_do():
    torus = Network.torus((8,), Fraction(10), Fraction(1), Fraction(0), hop=Fraction(3))
    assert transfers(torus, 8, [(rank, rank + 1, 60, 0) for rank in (0, 2, 4, 6)]) == [70] * 4
    assert transfers(torus, 8, [(0, 2, 60, 0)]) == [73]
    assert transfers(torus, 8, [(0, 2, 60, 0), (1, 3, 60, 0)]) == [10 + 3 + 120] * 2  # both by the link from 1 to 2
    assert transfers(torus, 8, [(0, 2, 60, 0), (3, 1, 60, 0)]) == [73] * 2  # one link each way
    assert transfers(torus, 8, [(7, 1, 60, 0)]) == [73]  # round the corner
    square = Network.torus((4, 4), Fraction(10), Fraction(1), Fraction(0))
    # Row 0 to row 1, then column 0 to 1: 0 -> 4 -> 5; a neighbour's 4 -> 5 is the same link, 1 -> 5 is another.
    assert transfers(square, 16, [(0, 5, 60, 0), (4, 6, 60, 0)]) == [10 + 120] * 2
    assert transfers(square, 16, [(0, 5, 60, 0), (1, 9, 60, 0)]) == [10 + 60] * 2


@pytest.mark.parametrize(("over", "slower"), [(1, 1), (2, 2), (4, 4), (Fraction(3, 2), Fraction(3, 2))])
def test_a_fat_tree_is_as_slow_as_it_is_oversubscribed(over, slower):
    tree = Network.fat_tree((4,), Fraction(10), Fraction(1), Fraction(0), (over,), hop=Fraction(2))
    assert transfers(tree, 8, [(rank, 4 + rank, 60, 0) for rank in range(4)]) == [10 + 4 + 60 * slower] * 4
    assert transfers(tree, 8, [(0, 4, 60, 0)]) == [10 + 4 + 60 * max(1, Fraction(over, 4))]
    assert transfers(tree, 8, [(0, 1, 60, 0), (2, 3, 60, 0)]) == [10 + 60] * 2  # by one switch


def test_a_fat_tree_of_two_levels_is_narrow_where_it_is_oversubscribed():
    tree = Network.fat_tree((2, 2), Fraction(10), Fraction(1), Fraction(0), (1, 2))
    assert transfers(tree, 8, [(0, 2, 60, 0), (1, 3, 60, 0)]) == [70] * 2
    assert transfers(tree, 8, [(rank, 4 + rank, 60, 0) for rank in range(4)]) == [10 + 120] * 4


def test_what_shares_a_link_keeps_its_port_meanwhile():
    """A second message of rank 0 follows the first; that one shares the node's port with rank 1's of 30 bytes: at 60 s
    20 are left, which take 20 s. Then come 10 bytes more, alone."""
    times = {}

    def first(world):
        one, two = (world.start_send(np.zeros(n, np.uint8), peer) for n, peer in ((50, 2), (10, 3)))
        one.wait()
        times["left"] = world.now()
        two.wait()

    def receiver(source, nbytes):
        def program(world):
            world.recv(np.zeros(nbytes, np.uint8), source)
            times[world.rank] = world.now()

        return program

    network = nodes(2)
    each(first, lambda w: w.send(np.zeros(30, np.uint8), 4), receiver(0, 50), receiver(0, 10), receiver(1, 30), nothing,
         network=network)  # fmt: skip
    assert times == {4: 60, "left": 80, 2: 80, 3: 90}


def fluid(flows, links_of, limit, width):
    """The same by another road: fill link after link, the one with the smallest share first, and step from end to
    end."""
    now, left, arrived = Fraction(0), {n: Fraction(flow[2]) for n, flow in enumerate(flows)}, {}
    while left:
        active = {n for n in left if flows[n][3] <= now}
        rates = dict.fromkeys(active, limit)
        free, growing = {}, set(active)
        for n in active:
            free.update(dict.fromkeys(links_of(flows[n]), width))
        while growing:
            users = {link: [n for n in growing if link in links_of(flows[n])] for link in free}
            share, link = min((free[link] / len(sharing), link) for link, sharing in users.items() if sharing)
            share = min(share, limit)
            for n in users[link]:
                rates[n] = share
                growing.remove(n)
                for other in links_of(flows[n]):
                    free[other] -= share
        ends = [now + left[n] / rates[n] for n in active]
        then = min(ends + [flow[3] for flow in flows if flow[3] > now])
        for n in active:
            left[n] -= rates[n] * (then - now)
            if not left[n]:
                del left[n]
                arrived[n] = then
        now = then
    return [arrived[n] for n in range(len(flows))]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_flows_between_nodes_arrive_when_a_fluid_would(data):
    per_node, sources = 3, 9
    targets = data.draw(st.permutations(range(sources, 2 * sources)))
    flows = [
        (source, target, data.draw(st.integers(1, 40)), Fraction(data.draw(st.integers(0, 60)), 2))
        for source, target in zip(range(data.draw(st.integers(1, sources))), targets, strict=False)
    ]
    port = Fraction(data.draw(st.integers(1, 4)), 3)
    found = transfers(nodes(per_node, port=port), 2 * sources, flows)
    assert found == fluid(
        flows, lambda flow: (("out", flow[0] // per_node), ("in", flow[1] // per_node)), Fraction(1), 1 / port
    )
