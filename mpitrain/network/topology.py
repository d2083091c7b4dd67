"""Topologies: how a message goes from one rank to another, and what it shares on the way.

Every rank has one port out and one port in, full duplex, at which messages follow each other; a message takes
alpha + beta b there. On its way it may pass *links* that others use at the same time: those share them.

    Flat      nothing is shared
    Nodes     ranks_per_node ranks share a node's port, one way out and one way in; within a node they share nothing
    Torus     neighbours are joined, one link each way; messages go dimension by dimension, the shorter way round
    FatTree   a switch joins radix[0] ranks, a switch above radix[1] such switches, and so on; above the highest all are
              joined. What leaves a switch upwards shares its uplink, as wide as all below it over `oversubscription`
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import NamedTuple

Number = int | float | Fraction

Link = tuple[str | int, ...]
"""A shared link by its name and place, such as ("out of node", 3)."""


class Wire(NamedTuple):
    """`alpha` seconds a message, `beta` seconds a byte."""

    alpha: Number
    beta: Number


class Route(NamedTuple):
    """`alpha` seconds a message and `beta` seconds a byte at both ports, and the shared `links` on the way."""

    alpha: Number
    beta: Number
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Flat:
    """Every pair of ranks is joined alike."""

    wire: Wire
    ranks: int | None = None  # for which there is room; None: any number

    def route(self, source: int, target: int) -> Route:
        return Route(*self.wire)

    def links(self, ranks: int) -> Iterator[Link]:
        """All shared links between so many ranks."""
        return iter(())

    def beta_of(self, link: Link) -> Number:
        """Seconds a byte of a shared link."""
        raise LookupError(f"a flat network has no shared links: found {link}")

    def node(self, rank: int) -> int:
        return rank

    def __str__(self) -> str:
        return f"flat, {_wire(self.wire)}"


@dataclass(frozen=True)
class Nodes:
    """`port`: seconds a byte of a node's port, which its ranks share."""

    ranks_per_node: int
    near: Wire
    far: Wire
    port: Number
    ranks: int | None = None

    def route(self, source: int, target: int) -> Route:
        here, there = self.node(source), self.node(target)
        if here == there:
            return Route(*self.near)
        return Route(*self.far, links=(("out of node", here), ("into node", there)))

    def links(self, ranks: int) -> Iterator[Link]:
        for node in range(self.node(ranks - 1) + 1):
            yield from (("out of node", node), ("into node", node))

    def beta_of(self, link: Link) -> Number:
        return self.port

    def node(self, rank: int) -> int:
        return rank // self.ranks_per_node

    def __str__(self) -> str:
        return (
            f"nodes of {self.ranks_per_node} ranks, {_wire(self.near)} within, {_wire(self.far)} between, "
            f"{_speed(self.port)} a node's port"
        )


@dataclass(frozen=True)
class Torus:
    """Ranks lie in `shape` in row-major order, each a node of its own. `hop`: seconds for each link after the first."""

    shape: tuple[int, ...]
    wire: Wire
    hop: Number

    @property
    def ranks(self) -> int:
        return prod(self.shape)

    def route(self, source: int, target: int) -> Route:
        links = tuple(self._links(self._place(source), self._place(target)))
        return Route(self.wire.alpha + self.hop * (len(links) - 1), self.wire.beta, links)

    def links(self, ranks: int) -> Iterator[Link]:
        for rank in range(self.ranks):
            for dimension in range(len(self.shape)):
                for way in ("up", "down"):
                    yield ("from", *self._place(rank), "along", dimension, way)

    def _place(self, rank: int) -> list[int]:
        place = []
        for width in reversed(self.shape):
            rank, at = divmod(rank, width)
            place.append(at)
        return place[::-1]

    def _links(self, here: list[int], there: list[int]) -> Iterator[Link]:
        for dimension, width in enumerate(self.shape):
            ahead = (there[dimension] - here[dimension]) % width
            way = 1 if 2 * ahead <= width else -1
            for _ in range(min(ahead, width - ahead)):
                yield ("from", *here, "along", dimension, "up" if way == 1 else "down")
                here[dimension] = (here[dimension] + way) % width

    def beta_of(self, link: Link) -> Number:
        return self.wire.beta

    def node(self, rank: int) -> int:
        return rank

    def __str__(self) -> str:
        return f"torus {' x '.join(map(str, self.shape))}, {_wire(self.wire)} a link"


@dataclass(frozen=True)
class FatTree:
    """`hop`: seconds for each switch after the first."""

    radix: tuple[int, ...]
    oversubscription: tuple[Number, ...]
    wire: Wire
    hop: Number
    ranks: int | None = None

    def route(self, source: int, target: int) -> Route:
        up: list[Link] = []
        down: list[Link] = []
        for level, width in enumerate(self.radix):
            source, target = source // width, target // width
            if source == target:
                break
            up.append(("up from switch", level, source))
            down.append(("down to switch", level, target))
        return Route(self.wire.alpha + self.hop * 2 * len(up), self.wire.beta, (*up, *reversed(down)))

    def links(self, ranks: int) -> Iterator[Link]:
        below = 1
        for level, width in enumerate(self.radix):
            below *= width
            for switch in range((ranks - 1) // below + 1):
                yield from (("up from switch", level, switch), ("down to switch", level, switch))

    def beta_of(self, link: Link) -> Number:
        level = link[1]
        assert isinstance(level, int)
        over: Number = 1
        for factor in self.oversubscription[: level + 1]:
            over = over * factor
        return self.wire.beta * over / prod(self.radix[: level + 1])

    def node(self, rank: int) -> int:
        return rank

    def __str__(self) -> str:
        return (
            f"fat tree of {' x '.join(map(str, self.radix))}, {_wire(self.wire)}, "
            f"oversubscribed {' x '.join(map(str, self.oversubscription))}"
        )


Topology = Flat | Nodes | Torus | FatTree


def _wire(wire: Wire) -> str:
    return f"{float(wire.alpha) * 1e6:g} us and {_speed(wire.beta)}"


def _speed(beta: Number) -> str:
    return f"{1e-9 / float(beta):g} GB/s" if beta else "no time a byte"
