"""The priced model: what an algorithm should take on several nodes, from its card and its programs.

    seconds = steps * step + messages * alpha + far bytes * far + near bytes * near

Steps and bytes, those of the rank that sends most, are the card's; messages those of rank 0, at whose port they follow
each other. What part of the bytes goes to other nodes (far), and what stays in the node (near), some ranks'
programs tell. All ranks of a node share its port to the others. The rates are those of the network that is the
default of `mpitrain price`, and a step's what our loop over steps costs in Python. The MPI library has compiled loops,
and rules that do not know the network: it is taken to do what is best here without that, and BLIND times slower.

Hockney, The communication challenge for MPP: Intel Paragon and Meiko CS-2, Parallel Computing 20(3), 1994
"""

from functools import lru_cache
from typing import NamedTuple

from mpitrain.analysis import card
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.schedule import ScheduleError, Send
from mpitrain.tuning.choice import LIBRARY_WAY, NODES, Allowed, Choice, Way, told
from mpitrain.tuning.measured import Place


class Rates(NamedTuple):
    """Seconds a message, a byte between nodes and within one, and a step."""

    alpha: float
    far: float
    near: float
    step: float


RATES = Rates(alpha=1.5e-6, far=1 / 12.5e9, near=1 / 10e9, step=4e-6)
MEETING = 1.03  # what arrives from several ranks at once takes so much longer: direct beside ring, docs/performance.md
BLIND = 1.05
ASKED = 4
"""How many ranks of the first node are asked for their programs; they speak for all."""


class Terms(NamedTuple):
    """What the time of an algorithm is made of, on so many ranks; `far` and `near` are those of one byte of data."""

    algorithm: str
    steps: float
    messages: int
    far: float
    near: float


@lru_cache(maxsize=256)
def terms(collective: str, ranks: int, node_sizes: tuple[int, ...] | None = None) -> tuple[Terms, ...]:
    """Of all algorithms that apply at this size. Kept: it follows from the arguments alone."""
    found = [
        _terms(name, algorithm.fitted(**{NODES: node_sizes or ()}), ranks, node_sizes[0] if node_sizes else 1)
        for name, algorithm in CATALOGUE[collective].items()
    ]
    return tuple(terms for terms in found if terms is not None)


def _terms(name: str, algorithm: Algorithm, ranks: int, node: int) -> Terms | None:
    """`node`: how many ranks the first node has."""
    try:
        schedule = algorithm.schedule(ranks)
        claims = card.read(algorithm)
        steps, most = (float(card.evaluate(claims[line], schedule)) for line in ("steps", "bytes"))
        programs = [schedule.program(rank) for rank in sorted({at * node // ASKED for at in range(ASKED)})]
    except ScheduleError:  # it does not apply at this size
        return None
    messages = sum(max(len(step.send), len(step.recv)) for step in programs[0])
    sent = [send for program in programs for step in program for send in step.send]
    chunks = sum(_length(send) for send in sent)
    far = sum(_length(send) for send in sent if send.peer >= node) / chunks if chunks else 1.0
    if any(sum(receive.peer >= node for receive in step.recv) > 1 for program in programs for step in program):
        most *= MEETING
    return Terms(name, steps, messages, node * most * far, most * (1 - far))


def _length(send: Send) -> int:
    """In chunks."""
    return send.chunks.stop - send.chunks.start


def priced(
    collective: str,
    nbytes: int,
    place: Place,
    node_sizes: tuple[int, ...] | None,
    allowed: Allowed,
    rates: Rates = RATES,
) -> Choice:
    """The choice of the model, by messages. `ScheduleError` where nothing can do it."""
    costs: dict[Way, float] = {}
    compiled = []
    for name, steps, messages, far, near in terms(collective, place.ranks, node_sizes):
        network = messages * rates.alpha + nbytes * (far * rates.far + near * rates.near)
        compiled.append(network)
        if allowed.allows(collective, way := Way("mpi", name)):
            costs[way] = network + steps * rates.step
    if compiled and allowed.allows(collective, LIBRARY_WAY):
        costs[LIBRARY_WAY] = min(compiled) * BLIND
    if not costs:
        raise ScheduleError(
            f"no algorithm of {collective} runs on {place.ranks} ranks with what this call wants: name one"
        )
    where = f"{place.nodes} nodes" if place.nodes > 1 else "1 node"
    network_told = f"{rates.alpha * 1e6:g} us a message, {1e-9 / rates.far:g} GB/s between nodes"
    return told(
        collective, costs, f"priced model: {place.ranks} ranks on {where}, {network_told}, nothing measured here"
    )
