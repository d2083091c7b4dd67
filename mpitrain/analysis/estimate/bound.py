"""What no algorithm of a collective can do better: messages that follow each other, bytes through one port, sums.

    Chan, Heimlich, Purkayastha and van de Geijn, Collective communication: theory, practice, and experience,
    Concurrency and Computation: Practice and Experience 19(13), 2007 (section 3.1: alpha, beta and gamma terms)
    Bruck et al., IEEE TPDS 8(11), 1997 (all-to-all: the fewest steps cost more bytes, and the fewest bytes more steps)

What is known of a chain of messages, which takes ceil(log2 p) alpha, and of the bytes that some rank has to send or
receive and sum, holds at the same time: the larger of the two is the bound.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from mpitrain.network import Network
from mpitrain.network.topology import FatTree, Flat, Nodes, Torus, Wire


class Least(NamedTuple):
    """Multiples of n beta and of n gamma on p ranks, and whether all terms can be met at one time."""

    sent: Callable[[int], Fraction]
    summed: Callable[[int], Fraction]
    together: str


def _share(p: int) -> Fraction:
    return Fraction(p - 1, p)


def _twice(p: int) -> Fraction:
    return 2 * _share(p)


def _all(p: int) -> Fraction:
    return Fraction(p > 1)


def _none(p: int) -> Fraction:
    return Fraction(0)


MET = "all met together where p is a power of two"
LEAST: Mapping[str, Least] = {
    "allreduce": Least(_twice, _share, "not met together: so few bytes take twice as many messages"),
    "reduce_scatter": Least(_share, _share, MET),
    "allgather": Least(_share, _none, MET),
    "bcast": Least(_all, _none, "not met together: so few messages carry all the data each"),
    "reduce": Least(_all, _share, "not met together: so few messages carry all the data each"),
    "gather": Least(_share, _none, MET),
    "scatter": Least(_share, _none, MET),
    "alltoall": Least(_share, _none, "not met together: so few messages carry half of the data each"),
    "scan": Least(_all, _all, "not met together: so few messages carry all the data each"),
    "exscan": Least(_all, _none, "not met together: so few messages carry all the data each"),
    "barrier": Least(_none, _none, "met by dissemination"),
}


class Bound(NamedTuple):
    """Seconds for the messages, and seconds a byte for what is sent and for what is summed."""

    messages: float
    sent: float
    summed: float
    together: str

    def at(self, nbytes: int) -> float:
        return max(self.messages, (self.sent + self.summed) * nbytes)


def bound(collective: str, ranks: int, network: Network) -> Bound | None:
    """On the network's quickest wires, shared with nobody. None for gossip, which promises nothing."""
    if collective not in LEAST:
        return None
    least, wires = LEAST[collective], _wires(network)
    return Bound(
        (ranks - 1).bit_length() * min(float(wire.alpha) for wire in wires),
        float(least.sent(ranks)) * min(float(wire.beta) for wire in wires),
        float(least.summed(ranks)) * float(network.gamma),
        least.together,
    )


def _wires(network: Network) -> tuple[Wire, ...]:
    topology = network.topology
    if isinstance(topology, Nodes):
        return topology.near, topology.far
    assert isinstance(topology, Flat | Torus | FatTree)
    return (topology.wire,)
