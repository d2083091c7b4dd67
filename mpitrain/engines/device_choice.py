"""Which of our algorithms runs on devices: by the priced model, since the host's tables say nothing of their links."""

from functools import lru_cache

from mpitrain.tuning import Choice, Place, Tuning
from mpitrain.tuning.choice import Allowed
from mpitrain.tuning.model import Rates, priced

RATES = Rates(alpha=5e-6, far=1 / 25e9, near=1 / 100e9, step=15e-6)
"""Taken, not measured: a step is the start of a group's kernel and of one of ours, and bytes of one node go by links
between its devices."""


def choose_ours(
    collective: str,
    nbytes: int,
    tuning: Tuning,
    engine: str,
    *,
    library: bool = False,
    commutative: bool = True,
    equal_blocks: bool = True,
    once: bool = False,
) -> Choice:
    """The best for data of `nbytes` bytes, the whole buffer. `ScheduleError` where nothing can do it.

    `library` and `once`, which `tuning.choose` knows too, do not matter.
    """
    sizes = tuning.node_sizes
    equal = equal_blocks and collective == "alltoall"
    allowed = Allowed(("mpi",), False, commutative, sizes is not None, equal)
    return _remembered(collective, nbytes, tuning.place, sizes, allowed, engine)


@lru_cache(maxsize=4096)
def _remembered(
    collective: str, nbytes: int, place: Place, node_sizes: tuple[int, ...] | None, allowed: Allowed, engine: str
) -> Choice:
    """It follows from the arguments, and calls without a plan ask each time."""
    choice = priced(collective, nbytes, place, node_sizes, allowed, RATES)
    return choice._replace(engine=engine, runner_up=choice.runner_up.replace("mpi ", f"{engine} "))
