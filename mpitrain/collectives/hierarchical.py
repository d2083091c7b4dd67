"""Hierarchical: one algorithm inside the nodes, another one between them, and all ranks at work in both.

A node sums among its own ranks until each holds a slice; then every rank drives its slice between the nodes, in a lane
with the ranks of the same number; then a node's ranks hand each other their slices. Between nodes no more travels than
if a node were one rank, and as many ports share it as a node has ranks.

    Traeff and Hunold, Decomposing MPI collectives for exploiting multi-lane communication, CLUSTER 2020
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import lcm

from mpitrain.collectives.algorithm import Algorithm, collective
from mpitrain.collectives.embedding import Ranges, cut, embed, part
from mpitrain.collectives.nodes import lanes_of, node_of, nodes_of, turns
from mpitrain.collectives.schedule import Step

NodeSizes = int | tuple[int, ...]

NAMED_OTHERWISE = {"halving_doubling": ("recursive_halving", "recursive_doubling")}
"""The halves of an allreduce that are called otherwise than it is."""


def halves(inner: str) -> tuple[Algorithm, Algorithm]:
    """What a node does before and after the lanes: a reduce-scatter and an allgather, those of `inner` if it has them.

    An allreduce is a reduce-scatter too, though it does more; what gathers no slices leaves that to direct.
    """
    from mpitrain.collectives.catalogue import ALLGATHER, REDUCE_SCATTER

    before, after = NAMED_OTHERWISE.get(inner, (inner, inner))
    return REDUCE_SCATTER.get(before) or part("allreduce", inner), ALLGATHER.get(after) or ALLGATHER["direct"]


def parts(collective: str, inner: str, outer: str) -> tuple[tuple[Algorithm, ...], Algorithm]:
    """What runs inside a node, and what runs between nodes."""
    return halves(inner) if collective == "allreduce" else (part(collective, inner),), part(collective, outer)


def terms(collective: str, size: int, ranks_per_node: NodeSizes, inner: str, outer: str) -> Mapping[str, object]:
    """What the cards' formulas are made of, besides what all cards know."""
    nodes = nodes_of(size, ranks_per_node)
    lanes, widths = lanes_of(nodes), [len(node) for node in nodes]
    inside, between = parts(collective, inner, outer)
    driven = Fraction(len(nodes), size)  # at most so much of the data by a lane
    return {
        "inside": inside, "between": between, "q": widths, "m": len(nodes), "turns": turns(lanes),
        "share": driven * -(-len(lanes) // min(widths)),
        "excess": driven * max(-(-len(lanes) // width) * width for width in widths),
    }  # fmt: skip


def in_rank_order(algorithm: Algorithm) -> bool:
    """Whether all its parts keep it; ranks of a node, and nodes, follow each other."""
    parameters = dict(algorithm.parameters)
    inside, between = parts(algorithm.collective, str(parameters["inner"]), str(parameters["outer"]))
    return between.ordered and all(algorithm.ordered for algorithm in inside)


def per_rank_of_nodes(size: int, ranks_per_node: NodeSizes, inner: str, outer: str) -> int:
    """One chunk per rank, if there are such nodes."""
    return sum(map(len, nodes_of(size, ranks_per_node)))


def sliced(size: int, ranks_per_node: NodeSizes, inner: str, outer: str) -> int:
    """A slice for each lane, cut as the outer algorithm wants it; the whole as an inner allreduce does."""
    nodes, (before, _), between = nodes_of(size, ranks_per_node), halves(inner), part("allreduce", outer)
    whole = {before.schedule(len(node)).chunks for node in nodes} if before.collective == "allreduce" else ()
    return lcm(len(lanes_of(nodes)) * between.schedule(len(nodes)).chunks, *whole)


@collective("allreduce", chunks=sliced, ordered=in_rank_order, ranks_per_node=(), inner="direct", outer="ring")
def allreduce(
    rank: int, size: int, ranks_per_node: NodeSizes = (), inner: str = "direct", outer: str = "ring"
) -> Iterator[Step]:
    """Reduce-scatter in the node, allreduce of a slice in each lane, allgather in the node.

    steps      at most steps(inside, q) + turns * steps(between, m)
    bytes      at most n * (excess * bytes(inside, q) + share * bytes(between, m))
    roundings  at most roundings(inside, q) + roundings(between, m)
    where      in a node of q ranks, between m nodes; nodes are even: excess = turns = 1, share = 1 / q
    alike      yes
    order      any
    sizes      any
    paper      Traeff and Hunold, CLUSTER 2020
    """
    total = sliced(size, ranks_per_node, inner, outer)
    nodes, (before, after), between = nodes_of(size, ranks_per_node), halves(inner), part("allreduce", outer)
    shares = between.schedule(len(nodes)).chunks
    lanes = [cut(part, shares) for [part] in cut(range(total), len(lanes_of(nodes)))]
    if before.collective == "allreduce":
        node = node_of(rank, nodes)
        yield from embed(before, rank, node, cut(range(total), before.schedule(len(node)).chunks), total)
    else:
        yield from in_node(before, rank, nodes, lanes, total)
    yield from in_lanes(between, rank, nodes, lanes, total)
    yield from in_node(after, rank, nodes, lanes, total)


@collective(
    "reduce_scatter", chunks=per_rank_of_nodes, ordered=in_rank_order, ranks_per_node=(), inner="direct", outer="ring"
)
def reduce_scatter(
    rank: int, size: int, ranks_per_node: NodeSizes = (), inner: str = "direct", outer: str = "ring"
) -> Iterator[Step]:
    """In the node every rank sums what is for the ranks of its lane; in the lane it comes to them.

    steps      at most steps(inside, q) + turns * steps(between, m)
    bytes      at most n * (excess * bytes(inside, q) + share * bytes(between, m))
    roundings  at most roundings(inside, q) + roundings(between, m)
    where      in a node of q ranks, between m nodes; nodes are even: excess = turns = 1, share = 1 / q
    alike      yes
    order      any
    sizes      any
    paper      Traeff and Hunold, CLUSTER 2020
    """
    nodes, ((inside,), between) = nodes_of(size, ranks_per_node), parts("reduce_scatter", inner, outer)
    yield from in_node(inside, rank, nodes, blocks(nodes), size)
    yield from in_lanes(between, rank, nodes, blocks(nodes), size)


@collective("allgather", chunks=per_rank_of_nodes, ordered=True, ranks_per_node=(), inner="direct", outer="ring")
def allgather(
    rank: int, size: int, ranks_per_node: NodeSizes = (), inner: str = "direct", outer: str = "ring"
) -> Iterator[Step]:
    """In the lane every rank gathers what its ranks have; in the node they hand it to each other.

    steps      at most steps(inside, q) + turns * steps(between, m)
    bytes      at most n * (excess * bytes(inside, q) + share * bytes(between, m))
    roundings  0
    where      in a node of q ranks, between m nodes; nodes are even: excess = turns = 1, share = 1 / q
    alike      yes
    order      rank
    sizes      any
    paper      Traeff and Hunold, CLUSTER 2020
    """
    nodes, ((inside,), between) = nodes_of(size, ranks_per_node), parts("allgather", inner, outer)
    yield from in_lanes(between, rank, nodes, blocks(nodes), size)
    yield from in_node(inside, rank, nodes, blocks(nodes), size)


def blocks(nodes: Sequence[range]) -> list[list[Ranges]]:
    """For each lane, each node's chunk: that of its rank with this number, none if it has fewer."""
    return [[[node[lane : lane + 1]] for node in nodes] for lane in range(max(map(len, nodes)))]


def in_node(
    algorithm: Algorithm, rank: int, nodes: Sequence[range], lanes: Sequence[Sequence[Ranges]], total: int
) -> Iterator[Step]:
    """The algorithm on the ranks of a node: chunk c of it is all that its rank c drives."""
    node = node_of(rank, nodes)
    driven = [
        [piece for lane in lanes[number :: len(node)] for ranges in lane for piece in ranges]
        for number in range(len(node))
    ]
    return embed(algorithm, rank, node, driven, total)


def in_lanes(
    algorithm: Algorithm, rank: int, nodes: Sequence[range], lanes: Sequence[Sequence[Ranges]], total: int
) -> Iterator[Step]:
    """The algorithm in each of the rank's lanes."""
    node = node_of(rank, nodes)
    ranks = lanes_of(nodes)
    for lane in range(node.index(rank), len(lanes), len(node)):
        yield from embed(algorithm, rank, ranks[lane], lanes[lane], total)
