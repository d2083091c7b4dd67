"""`mpitrain prove`: prove the catalogue's algorithms, and what their cards say, at every size up to one."""

import time

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks
from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import ScheduleError


def prove(collective: str | None = None, *, algorithm: str | None = None, ranks: Ranks = 16) -> None:
    """Prove that schedules keep their collective's promise, and what their cards say. Needs no MPI.

    Every size from 1 to --ranks and every root is proved: each contribution arrives exactly once, every rank ends with
    what the collective promises, and nobody waits for ever even if every send is synchronous.

    Parameters
    ----------
    collective
        One collective; all of them if left away.
    algorithm
        One of the collective's algorithms; all of them if left away.
    ranks
        The largest size.
    """
    from mpitrain.analysis import card
    from mpitrain.analysis.prove import prove as proved

    check_ranks(ranks, 256)
    for family in [collective] if collective else CATALOGUE:
        for found in algorithms(family, algorithm if collective else None).values():
            if isinstance(found, Opaque):
                raise ScheduleError(f"{found} is opaque: its steps are the library's own, there is nothing to prove")
            began = time.perf_counter()
            for size in range(1, ranks + 1):
                for schedule in found.schedules(size):
                    card.check(schedule, proved(schedule))
            seconds = time.perf_counter() - began
            roots = ", all roots" if found.rooted else ""
            print(f"{found!s:34} proved at sizes 1-{ranks}{roots} ({seconds:.2f} s)")
            for name, claim in card.read(found).items():
                print(f"    {name:9} {claim}")
    print("\np: ranks, n: bytes, core: the largest power of two up to p, guests: p - core")
