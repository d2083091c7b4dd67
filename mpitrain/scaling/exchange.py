"""What an allreduce takes on a network: an algorithm's, or the cheapest of several."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from mpitrain.analysis import card
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import Reduce, ScheduleError
from mpitrain.network import Network
from mpitrain.network.topology import Flat, Nodes


class Priced(NamedTuple):
    """Seconds of an exchange by this algorithm."""

    seconds: float
    algorithm: str


def cheapest(algorithms: Mapping[str, Algorithm], ranks: int, network: Network) -> Callable[[int], Priced]:
    """For so many bytes, of those algorithms that work for so many ranks. `ScheduleError` if none does."""
    lines, refused = [], None
    for name, algorithm in algorithms.items():
        try:
            lines.append((name, *_line(algorithm, ranks, network)))
        except ScheduleError as error:
            refused = error
    if not lines and refused:
        raise refused

    @cache
    def price(nbytes: int) -> Priced:
        return min(Priced(fixed + nbytes * a_byte, name) for name, fixed, a_byte in lines)

    return price


def _line(algorithm: Algorithm, ranks: int, network: Network) -> tuple[float, float]:
    """Exact where nothing is shared, and for a ring through nodes; nothing else is priced yet."""
    if not isinstance(network.topology, Flat) and not (
        isinstance(network.topology, Nodes) and algorithm.name == "ring"
    ):
        raise ScheduleError(f"{algorithm} on {network.topology}: not priced yet, expected a flat network")
    schedule = algorithm.schedule(ranks)
    program = schedule.program(0)
    nbytes = float(card.evaluate(card.read(algorithm)["bytes"], schedule))
    messages = sum(max(len(step.send), len(step.recv)) for step in program)
    reduced = sum(
        receive.chunks.stop - receive.chunks.start
        for step in program
        for receive in step.recv
        if isinstance(receive, Reduce)
    )
    route = network.route(0, ranks - 1)
    return (
        messages * float(route.alpha),
        nbytes * float(route.beta) + reduced / schedule.chunks * float(network.gamma),
    )
