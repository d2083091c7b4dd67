"""What messages and sums take on a network, in whole numbers, so that arithmetic is exact and quick.

Where flows share links, nobody can say what a message takes without the times of all others; two answers enclose it. In
the lower one every link is free. In the upper one a link is shared by all messages that pass it in the same turn, if
those have been counted, and else by as many as the ranks on either side of it can have on their way at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm, prod

from mpitrain.analysis.estimate.lines import Line
from mpitrain.network import Network, Number
from mpitrain.network.topology import FatTree, Flat, Link, Nodes, Torus

FINE = 1 << 128
"""Units a second, at least: the floats of any network there is are whole numbers of them."""

Crowd = tuple[int, int]
"""How many share a node's port out and its port in."""

Crowds = Callable[[int, int], Sequence[Crowd]]
"""Of a rank, in each of so many steps."""

Flows = Mapping[tuple[int, Link], int]
"""How many messages pass a link in a turn, where it is more than one."""


class Costs:
    """Of messages between so many ranks. `shared`: links are as full as can be, or as full as `flows` says."""

    def __init__(self, network: Network, size: int, shared: bool = False, flows: Flows | None = None):
        self.network, self.size, self.shared, self.flows = network, size, shared, flows
        exact = [value.denominator for value in _numbers(network) if isinstance(value, Fraction)]
        self.unit = lcm(FINE, *exact)
        self.gamma = self.whole(network.gamma)
        self._kinds: dict[tuple[Number, Number], Line] = {}
        self.each = network.topology.ranks_per_node if isinstance(network.topology, Nodes) else 0
        self._by_crowd: dict[tuple[bool, int | None], Line] = {}
        self._between: dict[tuple[int, int], Line] = {}
        self.wire = self._wire(0, 1) if isinstance(network.topology, Flat) else None

    def whole(self, seconds: Number) -> int:
        """In whole units."""
        return int(Fraction(seconds) * self.unit)

    def message(self, source: int, target: int, chunks: int, turn: int = 0, crowd: int | None = None) -> Line:
        """What a message of so many chunks takes at a port, for chunks of one byte. `crowd`: how many share the port of
        a node, if somebody has counted."""
        if self.each:
            alpha, beta = self._on_nodes(source // self.each != target // self.each, crowd)
        else:
            alpha, beta = self.wire or self._wire(source, target)
        if self.flows is not None:
            for link in self.network.route(source, target).links:
                beta = max(beta, self.flows.get((turn, link), 1) * self.whole(self.network.beta_of(link)))
        return alpha, beta * chunks

    def _on_nodes(self, far: bool, crowd: int | None) -> Line:
        found = self._by_crowd.get((far, crowd))
        if found is None:
            topology = self.network.topology
            assert isinstance(topology, Nodes)
            alpha, beta = map(self.whole, topology.far if far else topology.near)
            if far and self.shared and self.flows is None:
                full = max(1, min(self.each, self.size - self.each)) if crowd is None else crowd
                beta = max(beta, full * self.whole(topology.port))
            found = self._by_crowd[far, crowd] = alpha, beta
        return found

    def _wire(self, source: int, target: int) -> Line:
        found = self._between.get((source, target))
        if found is None:
            alpha, beta, links = self.network.route(source, target)
            if (alpha, beta) not in self._kinds:
                self._kinds[alpha, beta] = self.whole(alpha), self.whole(beta)
            found = self._kinds[alpha, beta]
            if self.shared and self.flows is None:
                full = [self.whole(crowd(self.network, link, self.size) * self.network.beta_of(link)) for link in links]
                found = found[0], max(found[1], *full, 0)
            self._between[source, target] = found
        return found


def crowd(network: Network, link: Link, size: int) -> int:
    """How many messages can pass a link at once, if every rank has one on its way out and one on its way in."""
    topology = network.topology
    if isinstance(topology, FatTree):
        level = link[1]
        assert isinstance(level, int)
        behind = prod(topology.radix[: level + 1])
        ahead = size - behind
    elif isinstance(topology, Torus):
        along = link[1 + len(topology.shape) + 1]
        assert isinstance(along, int)
        reach = topology.shape[along] // 2
        # Messages go dimension by dimension: sources have turned into this one, targets lie in all those after it.
        behind = prod(topology.shape[:along]) * reach
        ahead = reach * prod(topology.shape[along + 1 :])
    else:
        behind = ahead = 1
    return max(1, min(behind, ahead, size))


def _numbers(network: Network) -> Iterator[object]:
    """All numbers that a network is made of."""
    yield network.gamma
    pending = list(vars(network.topology).values())
    while pending:
        value = pending.pop()
        if isinstance(value, tuple):
            pending += value
        else:
            yield value
