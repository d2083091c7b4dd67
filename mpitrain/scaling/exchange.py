"""What an allreduce takes on a network: an algorithm's, or the cheapest of several.

From closed forms, in the model of `analysis/price.py`: one port each way at every rank. On a flat network a + b n, with
the messages and sums of rank 0 and the bytes of the card. In a ring through nodes, where one message a step leaves each
node, the steps of the slower wire: its sender has no pause, and nobody waits for longer.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from mpitrain.analysis import card
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import Reduce, ScheduleError
from mpitrain.network import Network
from mpitrain.network.topology import Flat, Nodes

Price = Callable[[int], float]
"""Seconds of an exchange of so many bytes."""


class Priced(NamedTuple):
    """Seconds of an exchange by this algorithm."""

    seconds: float
    algorithm: str


def cheapest(algorithms: Mapping[str, Algorithm], ranks: int, network: Network) -> Callable[[int], Priced]:
    """For so many bytes, of those algorithms that work for so many ranks. `ScheduleError` if none does."""
    make = _maker(algorithms, network)
    prices: dict[str, Price] = {}
    for name, algorithm in algorithms.items():
        try:
            prices[name] = make(algorithm, ranks, network)
        except ScheduleError:
            if len(algorithms) == 1:
                raise

    @cache
    def price(nbytes: int) -> Priced:
        return min(Priced(seconds(nbytes), name) for name, seconds in prices.items())

    return price


def _maker(algorithms: Mapping[str, Algorithm], network: Network) -> Callable[[Algorithm, int, Network], Price]:
    if isinstance(network.topology, Flat):
        return _flat
    if isinstance(network.topology, Nodes) and list(algorithms) == ["ring"]:
        return _ring_through_nodes
    raise ScheduleError(f"{network}: there is no closed form for it; expected a flat network, or a ring through nodes")


def _flat(algorithm: Algorithm, ranks: int, network: Network) -> Price:
    schedule = algorithm.schedule(ranks)
    program = schedule.program(0)
    sent = float(card.evaluate(card.read(algorithm)["bytes"], schedule))
    messages = sum(max(len(step.send), len(step.recv)) for step in program)
    received = [receive.chunks for step in program for receive in step.recv if isinstance(receive, Reduce)]
    summed = sum(chunks.stop - chunks.start for chunks in received) / schedule.chunks
    wire = network.route(0, 1)
    fixed, a_byte = messages * float(wire.alpha), sent * float(wire.beta) + summed * float(network.gamma)
    return lambda nbytes: fixed + a_byte * nbytes


def _ring_through_nodes(algorithm: Algorithm, ranks: int, network: Network) -> Price:
    wires = {network.route(rank, (rank + 1) % ranks)[:2] for rank in range(ranks)}

    def seconds(nbytes: int) -> float:
        share = nbytes / ranks
        message = max(float(alpha) + float(beta) * share for alpha, beta in wires)
        return (ranks - 1) * (2 * message + float(network.gamma) * share)

    return seconds
