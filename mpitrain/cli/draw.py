"""`mpitrain draw allreduce --algorithm ring -n 4`: a schedule as a grid of ranks and rounds."""

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks
from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.schedule import ScheduleError


def draw(collective: str = "allreduce", *, algorithm: str | None = None, ranks: Ranks = 4, root: int = 0) -> None:
    """Draw schedules: who sends which chunk to whom in which round. Needs no MPI.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, alltoall, scan, exscan, barrier or gossip.
    algorithm
        One of the collective's; all of them if left away.
    ranks
        Number of ranks.
    root
        The root, for bcast, reduce, gather and scatter.
    """
    from mpitrain.analysis.draw import draw as drawn

    check_ranks(ranks, 64)
    pictures = []
    for found in algorithms(collective, algorithm).values():
        if isinstance(found, Opaque):
            raise ScheduleError(f"{found} is opaque: its steps are the library's own, there is nothing to draw")
        pictures.append(drawn(found.schedule(ranks, **({"root": root} if found.rooted else {}))))
    print("\n\n".join(pictures))
