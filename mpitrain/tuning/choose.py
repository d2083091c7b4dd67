"""Choose: what was measured here, else the default tables on one node, else the priced model."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.tuning.choice import KIB, LIBRARY_WAY, Allowed, Choice, size_in_words, told
from mpitrain.tuning.defaults import A_CORE_EACH, default, default_elsewhere
from mpitrain.tuning.measured import Measured, Place, PlaceTable
from mpitrain.tuning.model import priced

SMALLEST_ONCE = 64 * KIB
"""Bytes. Up to here a call without a plan takes the library: finding out where all ranks' data lie costs as much."""

BOUND_ANEW = ("gather", "scatter", "alltoall", "scan", "exscan")
"""Collectives whose calls without a plan take the library at any size: they would be bound to their buffers anew, or
copy what lies elsewhere without asking whether that pays."""

CHOSEN = tuple(collective for collective in CATALOGUE if collective != "gossip")
"""The collectives for which there is a choice."""


class Tuning(NamedTuple):
    """What a world knows when it chooses; alike on all its ranks."""

    place: Place
    measured: Mapping[str, Measured] = {}  # by collective, at this place
    tables: tuple[PlaceTable, ...] = ()  # of all places: worlds that are split off have others
    node_sizes: tuple[int, ...] | None = (1,)  # ranks of each node; None if they do not follow each other


def choose(
    collective: str,
    nbytes: int,
    tuning: Tuning,
    *,
    engines: tuple[str, ...] = ("shared", "mpi"),
    library: bool = True,
    commutative: bool = True,
    equal_blocks: bool = True,
    once: bool = False,
) -> Choice:
    """The choice for data of `nbytes` bytes, the whole buffer, on one of `engines`, the best first.

    `library`: whether the MPI library can do it too; `commutative`: whether contributions may change their order;
    `equal_blocks`: whether an alltoall got no counts; `once`: for a call without a plan. Tables are of plans in memory
    from `World.empty`. A call without a plan takes the library for small data, since finding out where all ranks' data
    lie would cost it as much; and where memory that ranks share is best but some rank's data do not lie in it, the
    default tables say what comes instead.
    """
    if collective not in CHOSEN:
        raise ScheduleError(f"no choice for {collective!r}: name an algorithm, or one of {', '.join(CHOSEN)}")
    place, equal = tuning.place, equal_blocks and collective == "alltoall"
    allowed = Allowed(engines, library and "mpi" in engines, commutative, tuning.node_sizes is not None, equal)
    anew = collective in BOUND_ANEW
    if once and allowed.library and commutative and "shared" in engines and (anew or nbytes <= SMALLEST_ONCE):
        reason = f"table: {'' if anew else f'up to {size_in_words(SMALLEST_ONCE)} '}without a plan"
        return Choice(collective, LIBRARY_WAY.algorithm, LIBRARY_WAY.engine, reason, "none")
    choice = _measured(tuning.measured.get(collective), collective, nbytes, place, allowed)
    if choice is None and place.nodes == 1 and collective in A_CORE_EACH:
        choice = default(collective, nbytes, place.crowded, allowed)
    if choice is None:
        choice = priced(collective, nbytes, place, tuning.node_sizes, allowed)
    if choice.engine != "shared" or not commutative:
        return choice
    return choice._replace(elsewhere=default_elsewhere(collective, nbytes, once, allowed))


@lru_cache(maxsize=4096)
def _measured(measured: Measured | None, collective: str, nbytes: int, place: Place, allowed: Allowed) -> Choice | None:
    """The least of the predicted times; None if this size lies beyond what was measured. Follows from the arguments."""
    around = None if measured is None else measured.around(nbytes)
    if measured is None or around is None:
        return None
    costs = {
        way: measured.predict(way, nbytes) for way in measured.seconds if allowed.allows(collective, way)
    }  # fmt: skip
    if not costs:
        return None
    below, above = map(size_in_words, around)
    sizes = f"at {below}" if below == above else f"between {below} and {above}"
    return told(collective, costs, f"measured {sizes}, {place}")
