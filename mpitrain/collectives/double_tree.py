"""Double tree: two binary trees at once, each with half of the segments; who is inside one is a leaf of the other.

In a pipelined binary tree the leaves, half of the ranks, send nothing, and all others send everything twice. With a
second tree that exchanges the roles, each rank sends and receives everything about once: the bandwidth of a chain in
2 log2(p) steps and less besides one for each segment, instead of p.

Counted from the root, ranks 1 ... p - 1 are numbered in order: all in a left subtree are below its parent, all in a
right one above. The second tree is the first one, moved on by one rank, so that even ranks are inside the first and odd
ones inside the second. Both keep rank order; for that the second is one rank deeper than the paper's if p is 2^k.

    p = 8    first: 4 (2 (1, 3), 6 (5, 7))    second: 7 (3 (1 (-, 2), 5 (4, 6)), -)

Every edge is busy in even or in odd steps, its colour. A rank's two parents have different colours, and so have its two
children, so that it sends one message and receives one message a step.

    Sanders, Speck and Traeff, Two-tree algorithms for full bandwidth broadcast, reduction and scan,
    Parallel Computing 35(12), 2009
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from mpitrain.collectives.algorithm import collective, per_segment
from mpitrain.collectives.schedule import LEFT, RIGHT, Copy, Reduce, Send, Step


@collective("bcast", chunks=per_segment, ordered=True, segments=4)
def bcast(rank: int, size: int, segments: int, root: int = 0) -> Iterator[Step]:
    """The root gives even segments to the first tree, odd ones to the second, one a step. Ranks count from the root.

    steps      last_step(p, segments, 'down')
    where      last_step is at most segments + 2 * log2(p)
    bytes      n * 2 * ((segments + 1) // 2) / segments if p > 3 else n * (p > 1)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Sanders, Speck and Traeff, Parallel Computing 35(12), 2009
    """
    me, trees = (rank - root) % size, two_trees(size)
    receives: dict[int, Copy] = {}
    sends: dict[int, Send] = {}
    for segment in range(segments):
        tree, turn = trees[segment % 2], 2 * (segment // 2)
        if me != 0:
            receives[tree.starts[me] + turn] = Copy((tree.parents[me] + root) % size, segment)
        for child in tree.children[me]:
            sends[tree.starts[child] + turn] = Send((child + root) % size, segment)
    for at in sorted(receives.keys() | sends.keys()):
        yield Step([sends[at]] if at in sends else (), [receives[at]] if at in receives else ())


@collective("reduce", chunks=per_segment, segments=4)
def reduce(rank: int, size: int, segments: int, root: int = 0) -> Iterator[Step]:
    """The broadcast backwards. Contributions stand in the order of the ranks counted from the root.

    steps      last_step(p, segments, 'up')
    where      last_step is at most segments + 2 * log2(p)
    bytes      n if p > 1 else 0
    roundings  longest_sum(p, segments)
    alike      yes
    order      any
    sizes      any
    paper      Sanders, Speck and Traeff, Parallel Computing 35(12), 2009
    """
    me = (rank - root) % size
    for step in reversed(tuple(bcast(rank, size, segments=segments, root=root))):
        yield Step(
            send=[Send(receive.peer, receive.chunks) for receive in step.recv],
            recv=[Reduce(s.peer, s.chunks, LEFT if (s.peer - root) % size < me else RIGHT) for s in step.send],
        )


@collective("allreduce", chunks=per_segment, ordered=True, segments=4)
def allreduce(rank: int, size: int, segments: int) -> Iterator[Step]:
    """Reduce to rank 0, then broadcast from it.

    steps      last_step(p, segments, 'up', 'down')
    where      last_step is at most 2 * (segments + 2 * log2(p)), longest_sum at most 2 * log2(p) + 1
    bytes      n * (p > 1) + n * ((p > 2) + (p > 3)) * ((segments + 1) // 2) / segments
    roundings  longest_sum(p, segments)
    alike      yes
    order      rank
    sizes      any
    paper      Sanders, Speck and Traeff, Parallel Computing 35(12), 2009
    """
    yield from reduce(rank, size, segments=segments)
    yield from bcast(rank, size, segments=segments)


class Tree(NamedTuple):
    """By rank, counted from the root: its parent, its children, and the step in which its first segment comes."""

    parents: list[int]
    children: list[list[int]]
    starts: list[int]


@lru_cache(maxsize=64)
def two_trees(size: int) -> tuple[Tree, Tree]:
    """Both trees of a world of this size."""
    parents = [[0, *(parent(rank, shift, size) for rank in range(1, size))] for shift in (0, 1)]
    children: list[list[list[int]]] = [[[] for _ in range(size)] for _ in parents]
    for tree in (0, 1):
        for rank in range(1, size):
            children[tree][parents[tree][rank]].append(rank)
    colours = two_colours(size, parents, children)
    first, second = (Tree(parents[t], children[t], starts(children[t], colours[t])) for t in (0, 1))
    return first, second


def parent(rank: int, shift: int, size: int) -> int:
    """In the tree that is moved on by `shift`. A number's lowest bit that is set says how high it stands."""
    place, last = rank + shift, size - 1 + shift
    height = place & -place
    while height <= last:
        place, height = place - height | 2 * height, 2 * height
        if place <= last:
            return place - shift
    return 0


def two_colours(size: int, parents: list[list[int]], children: list[list[list[int]]]) -> list[list[int]]:
    """The colour of the edge to each rank's parent, in both trees: 0 for even steps, 1 for odd ones.

    What must differ are the edges to a rank's two parents, and those to its children (of whom the root has one in each
    tree). Each edge has at most one such neighbour of either kind: they form rows and even circles.
    """
    colours = [[-1] * size for _ in parents]
    for first in [*children[0][0], *range(1, size)]:
        row = [(0, first, 0)]
        while row:
            tree, rank, colour = row.pop()
            if colours[tree][rank] < 0:
                colours[tree][rank] = colour
                above = parents[tree][rank]
                siblings = [(t, child) for t in ((0, 1) if above == 0 else (tree,)) for child in children[t][above]]
                row += [(t, r, 1 - colour) for t, r in [(1 - tree, rank), *siblings] if (t, r) != (tree, rank)]
    return colours


def starts(children: list[list[int]], colours: list[int]) -> list[int]:
    """When a rank's first segment comes: in the first step of the right colour after its parent's."""
    found, reached = [-1] * len(children), [0]
    for rank in reached:
        for child in children[rank]:
            earliest = found[rank] + 1
            found[child] = earliest + (earliest + colours[child]) % 2
        reached += children[rank]
    return found


def last_step(size: int, segments: int, *ways: str) -> int:
    """When the last message arrives, if all segments go up the trees, or down, or one after the other.

    Every message takes one step, and leaves once both ends have done with those before.
    """
    ended = [0] * size
    for way in ways:
        for messages in in_turn(size, segments, way):
            arrived = [(sender, receiver, ended[sender], ended[receiver]) for _, sender, receiver in messages]
            for sender, receiver, sent, free in arrived:
                ended[sender] = max(ended[sender], sent + 1)
                ended[receiver] = max(ended[receiver], sent + 1, free + 1)
    return max(ended)


def longest_sum(size: int, segments: int) -> int:
    """The most additions that follow each other on the way up."""
    additions: dict[tuple[int, int], int] = {}
    for messages in in_turn(size, segments, "up"):
        for segment, sender, receiver in messages:
            both = (additions.get((segment, rank), 0) for rank in (sender, receiver))
            additions[segment, receiver] = max(both) + 1
    return max(additions.values(), default=0)


def in_turn(size: int, segments: int, way: str) -> Iterator[list[tuple[int, int, int]]]:
    """The messages of all ranks that travel at one time: (segment, sender, receiver)."""
    edges = [
        (tree.starts[rank] + 2 * (segment // 2), segment, tree.parents[rank], rank)
        for segment in range(segments)
        for tree in two_trees(size)[segment % 2 : segment % 2 + 1]
        for rank in range(1, size)
    ]
    for _, together in groupby(sorted(edges, reverse=way == "up"), itemgetter(0)):
        yield [(segment, *((child, above) if way == "up" else (above, child))) for _, segment, above, child in together]
