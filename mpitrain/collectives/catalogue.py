"""Every algorithm, by collective and name. To add one, write its file and add its line here."""

from collections.abc import Mapping

from mpitrain.collectives import (
    binomial_tree,
    bruck,
    direct,
    halving_doubling,
    one_peer_exponential,
    recursive_doubling,
    ring,
)  # fmt: skip
from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.schedule import ScheduleError

ALLREDUCE = {
    "ring": ring.allreduce,
    "recursive_doubling": recursive_doubling.allreduce,
    "halving_doubling": halving_doubling.allreduce,
    "binomial_tree": binomial_tree.allreduce,
    "direct": direct.allreduce,
}
REDUCE_SCATTER = {
    "ring": ring.reduce_scatter,
    "halving_doubling": halving_doubling.reduce_scatter,
    "direct": direct.reduce_scatter,
}
ALLGATHER = {
    "ring": ring.allgather,
    "recursive_doubling": recursive_doubling.allgather,
    "direct": direct.allgather,
}
BCAST = {
    "binomial_tree": binomial_tree.bcast,
    "halving_doubling": halving_doubling.bcast,
    "direct": direct.bcast,
}
REDUCE = {
    "binomial_tree": binomial_tree.reduce,
    "halving_doubling": halving_doubling.reduce,
    "direct": direct.reduce,
}
ALLTOALL = {"bruck": bruck.alltoall}
EXSCAN = {"recursive_doubling": recursive_doubling.exscan}
GOSSIP = {"one_peer_exponential": one_peer_exponential.gossip}

CATALOGUE: Mapping[str, Mapping[str, Algorithm]] = {
    "allreduce": ALLREDUCE,
    "reduce_scatter": REDUCE_SCATTER,
    "allgather": ALLGATHER,
    "bcast": BCAST,
    "reduce": REDUCE,
    "alltoall": ALLTOALL,
    "exscan": EXSCAN,
    "gossip": GOSSIP,
}

LIBRARY = "library"
"""The name under which the MPI library's own algorithm runs, for every collective that MPI has."""


def find(collective: str, name: str) -> Algorithm | Opaque:
    """The algorithm of that name; `ScheduleError` lists the names that exist."""
    if collective not in CATALOGUE:
        raise ScheduleError(f"no collective {collective!r}: expected one of {', '.join(CATALOGUE)}")
    if name == LIBRARY and collective != "gossip":
        return Opaque(collective, LIBRARY, f"whatever the MPI library does for {collective}")
    if name not in CATALOGUE[collective]:
        names = [*CATALOGUE[collective], *([LIBRARY] if collective != "gossip" else [])]
        raise ScheduleError(f"no algorithm {name!r} for {collective}: expected one of {', '.join(names)}")
    return CATALOGUE[collective][name]
