"""The ranks of one virtual world, and where they sit: found once, and shared by all of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from mpitrain.engines.placement import Placement
from mpitrain.network import Network
from mpitrain.tuning import Place, Tuning
from mpitrain.tuning.model import Rates


class Group:
    """`members` are ranks by their numbers in the whole job, `context` the number of this world."""

    def __init__(self, network: Network, members: Sequence[int], context: int):
        self.members, self.context = members, context
        nodes = [network.node(member) for member in members]
        numbers = {node: number for number, node in enumerate(dict.fromkeys(nodes))}
        self.nodes = tuple(numbers[node] for node in nodes)
        self.several_nodes = len(numbers) > 1
        sizes = Counter(self.nodes)
        together = all(a <= b for a, b in zip(self.nodes, self.nodes[1:], strict=False))
        self._sizes = tuple(sizes[node] for node in range(len(numbers))) if together else None
        place = Place(
            f"virtual, {network.name or network.topology}", len(members), len(numbers), max(sizes.values()), False
        )
        self.tuning = Tuning(place, node_sizes=self._sizes)
        self.rates = _rates(network, members)
        before: defaultdict[int, int] = defaultdict(int)
        self._placements = []
        for node in self.nodes:
            self._placements.append(Placement(node, before[node], sizes[node], self._sizes, self.nodes))
            before[node] += 1

    def placement(self, rank: int) -> Placement:
        return self._placements[rank]


def _rates(network: Network, members: Sequence[int]) -> Rates:
    """What a message costs between the first rank and others, for the choice of algorithms."""
    first, node = members[0], network.node(members[0])
    near = next((member for member in members[1:] if network.node(member) == node), None)
    far = next((member for member in members[1:] if network.node(member) != node), None)
    routes = [network.route(first, other) for other in (far, near) if other is not None]
    if not routes:
        return Rates(0, 0, 0, 0)
    return Rates(float(routes[0].alpha), float(routes[0].beta), float(routes[-1].beta), 0)
