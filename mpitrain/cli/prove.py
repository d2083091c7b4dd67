"""`mpitrain prove`: prove the catalogue's algorithms, and what their cards say, at every size up to one."""

import time

from mpitrain.cli.schedules import Ranks, algorithms, check_ranks
from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.catalogue import CATALOGUE, near
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError


def prove(collective: str | None = None, *, algorithm: str | None = None, ranks: Ranks = 16) -> None:
    """Prove that schedules keep their collective's promise, and what their cards say. Needs no MPI.

    Every size from 1 to --ranks and every root is proved: each contribution arrives exactly once, every rank ends with
    what the collective promises, and nobody waits for ever even if every send is synchronous.

    Parameters
    ----------
    collective
        allreduce, reduce_scatter, allgather, bcast, reduce, gather, scatter, alltoall, scan, exscan, barrier or gossip;
        all of them if left away.
    algorithm
        One algorithm; all of them if left away.
    ranks
        The largest size.
    """
    from mpitrain.analysis import card
    from mpitrain.analysis.prove import prove as proved

    check_ranks(ranks, 256)
    name = algorithm and algorithm.partition("(")[0]
    families = [collective] if collective else [c for c in CATALOGUE if name is None or name in CATALOGUE[c]]
    if not families:
        names = {name for family in CATALOGUE.values() for name in family}
        raise UsageError(f"no algorithm {algorithm!r}: expected {near(algorithm or '', names)}")
    for family in families:
        for found in algorithms(family, algorithm).values():
            if isinstance(found, Opaque):
                raise ScheduleError(f"{found} is opaque: its steps are the library's own, there is nothing to prove")
            began = time.perf_counter()
            sizes = _sizes(found, ranks)
            for size in sizes:
                for schedule in found.schedules(size):
                    try:
                        card.check(schedule, proved(schedule))
                    except ScheduleError as error:
                        told = str(error)
                        raise ScheduleError(told if str(schedule) in told else f"{schedule}: {told}") from None
            seconds = time.perf_counter() - began
            roots = ", all roots" if found.rooted else ""
            proved_at = f"sizes 1-{ranks}" if len(sizes) == ranks else f"sizes {', '.join(map(str, sizes))}"
            print(f"{found!s:34} proved at {proved_at}{roots} ({seconds:.2f} s)")
            for name, claim in card.read(found).items():
                print(f"    {name:9} {claim}")
    print("\np: ranks, n: bytes, core: the largest power of two up to p, guests: p - core")


def _sizes(algorithm: Algorithm, ranks: int) -> list[int]:
    """Sizes at which the algorithm applies: parameters that were asked for, such as rows=3, may be made for some only.

    `ScheduleError` if there is none.
    """
    found: list[int] = []
    for size in range(1, ranks + 1):
        try:
            _ = algorithm.schedule(size).chunks
        except ScheduleError:
            if not algorithm.given or (size == ranks and not found):
                raise
        else:
            found.append(size)
    return found
