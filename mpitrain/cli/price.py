"""`mpitrain price allreduce -n 65536 --nbytes 100M`: what each algorithm costs on a network, on any number of ranks."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks, nbytes_of
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError

if TYPE_CHECKING:
    from mpitrain.network import Network

MOST_RANKS = 1 << 18

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
    from mpitrain.analysis.estimate import bound, curve, nodes_of
    from mpitrain.cli.price_table import show

    check_ranks(ranks, MOST_RANKS)
    sizes = [nbytes_of(text) for text in nbytes]
    found = _network(network, {"alpha": alpha, "beta": beta, "gamma": gamma})
    try:
        found.check_ranks(ranks)
    except ValueError as error:
        raise UsageError(f"--ranks {ranks}: {error}") from None
    curves, missing = [], []
    for name, one in algorithms(collective, algorithm).items():
        if not isinstance(one, Algorithm):
            raise ScheduleError(f"{one} is opaque: its steps are the library's own, there is nothing to price")
        try:
            curves.append(curve(name, one, ranks, found, nodes_of(found, ranks)))
        except ScheduleError as error:
            if algorithm is not None:
                raise
            missing.append(str(error))
    if not curves:
        raise ScheduleError("; ".join(missing))
    show(collective, ranks, found, dict(zip(nbytes, sizes, strict=True)), curves, bound(collective, ranks, found))
    for told in missing:
        print(f"left out: {told}")


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
