"""What an allreduce takes on a network: an algorithm's, or the cheapest of several.

From closed forms, in the model of `analysis/price.py`: one port each way at every rank. On a flat network a + b n for
what all ranks do alike; whatever else there is, such as trees, is refused. In a ring through nodes, where one message a
step leaves each node, the steps of the slower wire: its sender has no pause, and nobody waits for longer.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import NamedTuple

from mpitrain.collectives.algorithm import Algorithm, Schedule
from mpitrain.collectives.schedule import Chunks, Combine, Reduce, ScheduleError
from mpitrain.network import Network
from mpitrain.network.topology import Flat, Nodes

Price = Callable[[int], float]
"""Seconds of an exchange of so many bytes."""


ASKED = 4
"""So many ranks and rank 0 are asked for their programs; they speak for all."""

UNLIKE = "there is no closed form for it, since its ranks do unlike things at a time"


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
    """Where all ranks do alike at the same time, a step takes what its messages take one by one, and its sums."""
    schedule = algorithm.schedule(ranks)
    programs = [_shape(schedule, rank) for rank in sorted({at * (ranks - 1) // ASKED for at in range(ASKED + 1)})]
    if any(program != programs[0] for program in programs):
        raise ScheduleError(f"{schedule}: {UNLIKE}")
    wire = network.route(0, 1)
    fixed = float(wire.alpha) * sum(messages for messages, _, _ in programs[0])
    carried = float(wire.beta) * sum(chunks for _, chunks, _ in programs[0])
    summed = float(network.gamma) * sum(chunks for _, _, chunks in programs[0])
    a_byte = (carried + summed) / schedule.chunks
    return lambda nbytes: fixed + a_byte * nbytes


def _shape(schedule: Schedule, rank: int) -> list[tuple[int, int, int]]:
    """Of each step: its messages either way, the chunks in them, and the chunks that are summed."""
    shapes = []
    for step in schedule.program(rank):
        summed = [receive.chunks for receive in step.recv if isinstance(receive, Reduce)]
        summed += [action.target for action in step.local if isinstance(action, Combine)]
        messages, back = len(step.send), len(step.recv)
        chunks, chunks_back = (_length(part.chunks for part in parts) for parts in (step.send, step.recv))
        if (messages, chunks) != (back, chunks_back):
            raise ScheduleError(f"{schedule}: {UNLIKE}")
        shapes.append((messages, chunks, _length(summed)))
    return shapes


def _length(ranges: Iterable[Chunks]) -> int:
    return sum(chunks.stop - chunks.start for chunks in ranges)


def _ring_through_nodes(algorithm: Algorithm, ranks: int, network: Network) -> Price:
    wires = {network.route(rank, (rank + 1) % ranks)[:2] for rank in range(ranks)}

    def seconds(nbytes: int) -> float:
        share = nbytes / ranks
        message = max(float(alpha) + float(beta) * share for alpha, beta in wires)
        return (ranks - 1) * (2 * message + float(network.gamma) * share)

    return seconds
