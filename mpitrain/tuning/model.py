"""The priced model: what an algorithm should take on a network, from its card.

    seconds = steps * STEP + messages * ALPHA + bytes * BETA

Steps and bytes are the card's, messages those of rank 0, at whose port they follow each other. The network is the
default of `mpitrain price`. STEP is what our loop over steps costs in Python. The MPI library has compiled loops, and
rules that do not know the network: it is taken to do what is best here without STEP, and BLIND times slower.

Hockney, The communication challenge for MPP, Parallel Computing 20(3), 1994
"""

from functools import lru_cache
from typing import NamedTuple

from mpitrain.analysis import card
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.tuning.choice import LIBRARY_WAY, NODES, Allowed, Choice, Way, told
from mpitrain.tuning.measured import Place

ALPHA, BETA = 1.5e-6, 1 / 12.5e9  # seconds a message, and a byte
STEP = 4e-6  # seconds; docs/performance.md
BLIND = 1.05


class Terms(NamedTuple):
    """What the time of an algorithm is made of, on so many ranks; `nbytes` is that of one byte of data."""

    algorithm: str
    steps: float
    messages: int
    nbytes: float


@lru_cache(maxsize=256)
def terms(collective: str, ranks: int, node_sizes: tuple[int, ...] | None = None) -> tuple[Terms, ...]:
    """Of all algorithms that apply at this size. Kept: it follows from the arguments alone."""
    found = [
        _terms(name, algorithm.fitted(**{NODES: node_sizes or ()}), ranks)
        for name, algorithm in CATALOGUE[collective].items()
    ]
    return tuple(terms for terms in found if terms is not None)


def _terms(name: str, algorithm: Algorithm, ranks: int) -> Terms | None:
    try:
        claims = card.read(algorithm)
        schedule = algorithm.schedule(ranks)
        program = schedule.program(0)
        steps, nbytes = (float(card.evaluate(claims[line], schedule)) for line in ("steps", "bytes"))
    except ScheduleError:  # it does not apply at this size
        return None
    return Terms(name, steps, sum(max(len(step.send), len(step.recv)) for step in program), nbytes)


def priced(collective: str, nbytes: int, place: Place, node_sizes: tuple[int, ...] | None, allowed: Allowed) -> Choice:
    """The choice of the model, by messages. `ScheduleError` where nothing can do it."""
    costs: dict[Way, float] = {}
    compiled = []
    for name, steps, messages, sent in terms(collective, place.ranks, node_sizes):
        network = messages * ALPHA + sent * nbytes * BETA
        compiled.append(network)
        if allowed.allows(collective, way := Way("mpi", name)):
            costs[way] = network + steps * STEP
    if compiled and allowed.allows(collective, LIBRARY_WAY):
        costs[LIBRARY_WAY] = min(compiled) * BLIND
    if not costs:
        raise ScheduleError(
            f"no algorithm of {collective} runs on {place.ranks} ranks with what this call wants: name one"
        )
    where = f"{place.nodes} nodes" if place.nodes > 1 else "1 node"
    network_told = f"{ALPHA * 1e6:g} us a message, {1 / BETA / 1e9:g} GB/s"
    return told(
        collective, costs, f"priced model: {place.ranks} ranks on {where}, {network_told}, nothing measured here"
    )
