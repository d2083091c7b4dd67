"""`mpitrain price allreduce -n 65536 --nbytes 100M`: what each algorithm costs on a network, on any number of ranks."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks, nbytes_of
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError

if TYPE_CHECKING:
    from mpitrain.analysis.estimate import Curve
    from mpitrain.network import Network

MOST_RANKS = 1 << 18

MANY_RANKS = 1 << 13
"""From here on some algorithms take seconds."""

ALPHA, BETA, GAMMA = 1.5e-6, 1 / 12.5e9, 1 / 20e9
"""Of a flat network: 1.5 us a message, 100 Gb/s, 20 GB/s reduced."""


def price(
    collective: str = "allreduce",
    *,
    algorithm: str | None = None,
    ranks: Ranks = 8,
    nbytes: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = ("1K", "64K", "1M", "16M"),
    network: str | None = None,
    alpha: float | None = None,
    beta: float | None = None,
    gamma: float | None = None,
) -> None:
    """Rank algorithms by their price in Hockney's model, one port each way at every rank. Needs no MPI.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, alltoall, scan, exscan, barrier or gossip.
    algorithm
        One of the collective's algorithms; all of them if left away.
    ranks
        Number of ranks, up to 262144.
    nbytes
        Sizes of the data, such as 4096 64K 1M.
    network
        A TOML file, or a preset: cluster, ethernet, fat_tree, flat or torus. A flat one if left away.
    alpha
        Seconds a message (default: 1.5e-6).
    beta
        Seconds a byte sent (default: 8e-11, which is 100 Gb/s).
    gamma
        Seconds a byte reduced (default: 5e-11).
    """
    from mpitrain.analysis.estimate import Curve, bound, nodes_of
    from mpitrain.cli.price_table import show

    check_ranks(ranks, MOST_RANKS)
    sizes = [nbytes_of(text) for text in nbytes]
    found = _network(network, {"alpha": alpha, "beta": beta, "gamma": gamma})
    try:
        found.check_ranks(ranks)
    except ValueError as error:
        raise UsageError(f"--ranks {ranks}: {error}") from None
    asked = algorithms(collective, algorithm)
    for one in asked.values():
        if not isinstance(one, Algorithm):
            raise ScheduleError(f"{one} is opaque: its steps are the library's own, there is nothing to price")
    nodes = nodes_of(found, ranks)
    priced = _in_parallel(partial(_priced, collective, ranks, found, nodes), list(asked), ranks)
    curves = [curve for curve in priced if isinstance(curve, Curve)]
    missing = [told for told in priced if isinstance(told, str)]
    if not curves:
        raise ScheduleError("; ".join(missing))
    show(collective, ranks, found, dict(zip(nbytes, sizes, strict=True)), curves, bound(collective, ranks, found))
    for told in missing:
        print(f"left out: {told}")


def _priced(collective: str, ranks: int, network: "Network", nodes: int | tuple[int, ...], name: str) -> "Curve | str":
    """An algorithm's curve, or why it does not apply."""
    from mpitrain.analysis.estimate import curve

    (found,) = algorithms(collective, name).values()
    assert isinstance(found, Algorithm)
    try:
        return curve(name, found, ranks, network, nodes)
    except ScheduleError as error:
        return str(error)


def _in_parallel(price_one: "Callable[[str], Curve | str]", names: list[str], ranks: int) -> "list[Curve | str]":
    """For all names, in their order; where that takes seconds, on as many cores as there are."""
    cores = len(os.sched_getaffinity(0))
    if ranks < MANY_RANKS or len(names) == 1 or cores == 1:
        return [price_one(name) for name in names]
    with ProcessPoolExecutor(min(cores, len(names)), get_context("fork")) as pool:
        waiting = {
            name: pool.submit(price_one, name) for name in reversed(names)
        }  # trees, the longest, come last there
        return [waiting[name].result() for name in names]


def _network(name: str | None, costs: dict[str, float | None]) -> "Network":
    from mpitrain.network import Network, read

    given = [option for option, value in costs.items() if value is not None]
    if name is not None:
        if given:
            raise UsageError(f"--{given[0]} and --network: expected one or the other")
        return read(name)
    defaults = {"alpha": ALPHA, "beta": BETA, "gamma": GAMMA}
    try:
        return Network.flat(**{option: defaults[option] if value is None else value for option, value in costs.items()})
    except ValueError as error:
        raise UsageError(f"--{error}") from None
