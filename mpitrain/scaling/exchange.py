"""What an allreduce takes on a network: an algorithm's, or the cheapest of several.

Prices are those of `analysis/estimate`: exact where ranks share no links, else at most so much, as if all who can share
a link did. For a ring through nodes there is a closed form: one message a step leaves each node, so that nothing is
shared, and steps are those of the slower wire, whose sender has no pause and for whom nobody waits longer.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from mpitrain.analysis.estimate import curve, nodes_of
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.network import Network
from mpitrain.network.topology import Nodes


class Priced(NamedTuple):
    """Seconds of an exchange by this algorithm; at most so many if it is not `exact`."""

    seconds: float
    algorithm: str
    exact: bool


Price = Callable[[int], Priced | None]
"""Of so many bytes; None where nothing is known of what it takes at most."""


def cheapest(algorithms: Mapping[str, Algorithm], ranks: int, network: Network) -> Callable[[int], Priced]:
    """For so many bytes, of those algorithms that work for so many ranks. `ScheduleError` if none does."""
    prices: list[Price] = []
    for name, algorithm in algorithms.items():
        try:
            prices.append(_price(name, algorithm, ranks, network))
        except ScheduleError:
            if len(algorithms) == 1:
                raise

    @cache
    def price(nbytes: int) -> Priced:
        known = [found for found in (price(nbytes) for price in prices) if found is not None]
        if not known:
            raise ScheduleError(f"{', '.join(algorithms)} on {ranks} ranks of {network}: nobody knows what it takes")
        return min(known)

    return price


def _price(name: str, algorithm: Algorithm, ranks: int, network: Network) -> Price:
    if algorithm.name == "ring" and isinstance(network.topology, Nodes):
        return _ring_through_nodes(ranks, network)
    found = curve(name, algorithm, ranks, network, nodes_of(network, ranks))

    def price(nbytes: int) -> Priced | None:
        estimate = found.at(nbytes)
        return None if estimate.upper is None else Priced(float(estimate.upper.at(nbytes)), name, estimate.exact)

    return price


def _ring_through_nodes(ranks: int, network: Network) -> Price:
    wires = {network.route(rank, (rank + 1) % ranks)[:2] for rank in range(ranks)}

    def price(nbytes: int) -> Priced:
        share = nbytes / ranks
        message = max(float(alpha) + float(beta) * share for alpha, beta in wires)
        return Priced((ranks - 1) * (2 * message + float(network.gamma) * share), "ring", exact=True)

    return price
