"""`mpitrain price allreduce -n 64 --nbytes 1M`: what each algorithm costs on a network."""

from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks, nbytes_of
from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError


def price(
    collective: str = "allreduce",
    *,
    algorithm: str | None = None,
    ranks: Ranks = 8,
    nbytes: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = ("1K", "64K", "1M", "16M"),
    alpha: float = 1.5e-6,
    beta: float = 1 / 12.5e9,
    gamma: float = 1 / 20e9,
) -> None:
    """Price schedules in Hockney's model, one port each way at every rank. Needs no MPI.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, alltoall, scan, exscan, barrier or gossip.
    algorithm
        One of the collective's algorithms; all of them if left away.
    ranks
        Number of ranks.
    nbytes
        Sizes of the data, such as 4096 64K 1M.
    alpha
        Seconds a message.
    beta
        Seconds a byte sent (default: 100 Gb/s).
    gamma
        Seconds a byte reduced.
    """
    from mpitrain.analysis.price import price as priced
    from mpitrain.network import Network

    check_ranks(ranks, 256)
    try:
        network = Network.flat(alpha, beta, gamma)
    except ValueError as error:
        raise UsageError(f"--{error}") from None
    table = Table("algorithm", *nbytes, title=f"{collective} on {ranks} ranks, microseconds", title_justify="left")
    for found in algorithms(collective, algorithm).values():
        if isinstance(found, Opaque):
            raise ScheduleError(f"{found} is opaque: its steps are the library's own, there is nothing to price")
        schedule = found.schedule(ranks)
        table.add_row(
            str(found), *(f"{priced(schedule, float(nbytes_of(text)), network) * 1e6:,.2f}" for text in nbytes)
        )
    console = Console()
    console.print(table)
    console.print(
        f"alpha {alpha:.3g} s a message, beta {beta:.3g} s a byte sent, gamma {gamma:.3g} s a byte reduced",
        highlight=False,
    )
