"""Every algorithm, by collective and name. To add one, write its file and add its line here."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from mpitrain.collectives import (
    bidirectional_ring,
    binomial_tree,
    bruck,
    central,
    chain,
    direct,
    dissemination,
    double_tree,
    halving_doubling,
    halving_gather,
    hierarchical,
    linear,
    neighbour_exchange,
    one_peer_exponential,
    pairwise,
    recursive_doubling,
    recursive_halving,
    recursive_multiplying,
    ring,
    scatter_allgather,
    segmented_ring,
    swing,
    torus,
)  # fmt: skip
from mpitrain.collectives.algorithm import Algorithm, Opaque, Value
from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError

ALLREDUCE = {
    "ring": ring.allreduce,
    "recursive_doubling": recursive_doubling.allreduce,
    "halving_doubling": halving_doubling.allreduce,
    "binomial_tree": binomial_tree.allreduce,
    "bidirectional_ring": bidirectional_ring.allreduce,
    "segmented_ring": segmented_ring.allreduce,
    "recursive_multiplying": recursive_multiplying.allreduce,
    "torus": torus.allreduce,
    "swing": swing.allreduce,
    "direct": direct.allreduce,
    "hierarchical": hierarchical.allreduce,
    "linear": linear.allreduce,
    "double_tree": double_tree.allreduce,
}
REDUCE_SCATTER = {
    "ring": ring.reduce_scatter,
    "recursive_halving": recursive_halving.reduce_scatter,
    "direct": direct.reduce_scatter,
    "hierarchical": hierarchical.reduce_scatter,
    "pairwise": pairwise.reduce_scatter,
}
ALLGATHER = {
    "ring": ring.allgather,
    "recursive_doubling": recursive_doubling.allgather,
    "bruck": bruck.allgather,
    "neighbour_exchange": neighbour_exchange.allgather,
    "direct": direct.allgather,
    "hierarchical": hierarchical.allgather,
}
BCAST = {
    "binomial_tree": binomial_tree.bcast,
    "scatter_allgather": scatter_allgather.bcast,
    "direct": direct.bcast,
    "linear": linear.bcast,
    "chain": chain.bcast,
    "double_tree": double_tree.bcast,
}
REDUCE = {
    "binomial_tree": binomial_tree.reduce,
    "halving_gather": halving_gather.reduce,
    "direct": direct.reduce,
    "linear": linear.reduce,
    "chain": chain.reduce,
    "double_tree": double_tree.reduce,
}
GATHER = {
    "linear": linear.gather,
    "binomial_tree": binomial_tree.gather,
}
SCATTER = {
    "linear": linear.scatter,
    "binomial_tree": binomial_tree.scatter,
}
ALLTOALL = {
    "bruck": bruck.alltoall,
    "linear": linear.alltoall,
    "pairwise": pairwise.alltoall,
}
SCAN = {
    "linear": linear.scan,
    "recursive_doubling": recursive_doubling.scan,
}
EXSCAN = {
    "recursive_doubling": recursive_doubling.exscan,
    "linear": linear.exscan,
}
BARRIER = {
    "dissemination": dissemination.barrier,
    "binomial_tree": binomial_tree.barrier,
    "central": central.barrier,
}
GOSSIP = {"one_peer_exponential": one_peer_exponential.gossip}

CATALOGUE: Mapping[str, Mapping[str, Algorithm]] = {
    "allreduce": ALLREDUCE,
    "reduce_scatter": REDUCE_SCATTER,
    "allgather": ALLGATHER,
    "bcast": BCAST,
    "reduce": REDUCE,
    "gather": GATHER,
    "scatter": SCATTER,
    "alltoall": ALLTOALL,
    "scan": SCAN,
    "exscan": EXSCAN,
    "barrier": BARRIER,
    "gossip": GOSSIP,
}

LIBRARY = "library"
"""The name under which the MPI library's own algorithm runs, for every collective that MPI has."""

WRITTEN = re.compile(r"(\w+)(?:\((\w+=[\w+]+(?:, *\w+=[\w+]+)*)\))?")
"""A name, and parameters if there are any: ring, or chain(segments=16)."""


def find(collective: str, name: str) -> Algorithm | Opaque:
    """The algorithm so called, as "ring" or "chain(segments=16)"; `ScheduleError` says what may have been meant."""
    if collective not in KINDS:
        raise ScheduleError(f"no collective {collective!r}: expected one of {', '.join(KINDS)}")
    in_mpi = KINDS[collective].in_mpi
    if name == LIBRARY and in_mpi:
        return Opaque(collective, LIBRARY, f"whatever the MPI library does for {collective}")
    written = WRITTEN.fullmatch(name)
    algorithm = CATALOGUE.get(collective, {}).get(written[1]) if written else None
    if written is None or algorithm is None:
        expected = near(name, CATALOGUE.get(collective, {}), collective) + (f", or {LIBRARY}" if in_mpi else "")
        raise ScheduleError(f"no algorithm {name!r} for {collective}: expected {expected}")
    if not written[2]:
        return algorithm
    return algorithm.with_given(**dict(_parameter(text) for text in written[2].split(",")))


def near(name: str, names: Iterable[str], of: str = "") -> str:
    """What to expect in the place of `name`: the nearest names, if any, and the command that lists all."""
    listed = f"that `mpitrain prove{of and f' {of}'}` lists"
    close = get_close_matches(name.partition("(")[0], list(names))
    return f"{', '.join(close)} or another {listed}" if close else f"one {listed}"


def _parameter(text: str) -> tuple[str, Value]:
    """From "segments=16", "inner=ring" or "ranks_per_node=3+3+2"."""
    name, _, value = text.strip().partition("=")
    if "+" in value:
        if not all(part.isdigit() for part in value.split("+")):
            raise ScheduleError(f"{text.strip()}: expected numbers, such as {name}=3+3+2")
        return name, tuple(map(int, value.split("+")))
    return name, int(value) if value.isdigit() else value
