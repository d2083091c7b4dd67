"""The catalogue is complete and says what it has."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

from mpitrain import collectives
from mpitrain.collectives import ring
from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.schedule import ScheduleError


def test_every_algorithm_that_is_written_is_listed_under_its_own_name():
    listed = {str(algorithm): algorithm for family in CATALOGUE.values() for algorithm in family.values()}
    modules = [import_module(f"mpitrain.collectives.{module.name}") for module in iter_modules(collectives.__path__)]
    written = {str(value) for module in modules for value in vars(module).values() if isinstance(value, Algorithm)}
    assert set(listed) == written
    for collective, family in CATALOGUE.items():
        for name, algorithm in family.items():
            assert (algorithm.collective, algorithm.name) == (collective, name)


def test_find():
    assert find("allreduce", "ring") is ring.allreduce
    library = find("bcast", "library")
    assert isinstance(library, Opaque)
    assert (str(library), library.description) == ("library.bcast", "whatever the MPI library does for bcast")


@pytest.mark.parametrize(
    ("collective", "name", "text"),
    [
        (
            "allreduce",
            "rnig",
            "no algorithm 'rnig' for allreduce: expected one of ring, recursive_doubling, halving_doubling, "
            "binomial_tree, direct, library",
        ),
        (
            "reduceall",
            "ring",
            "no collective 'reduceall': expected one of allreduce, reduce_scatter, allgather, bcast, reduce, alltoall, "
            "exscan, gossip",
        ),
        ("gossip", "library", "no algorithm 'library' for gossip: expected one of one_peer_exponential"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(collective, name, text):
    with pytest.raises(ScheduleError) as error:
        find(collective, name)
    assert str(error.value) == text
