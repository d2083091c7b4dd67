"""The catalogue is complete and says what it has."""

from importlib import import_module
from pkgutil import iter_modules

import pytest

from mpitrain import collectives
from mpitrain.collectives import ring
from mpitrain.collectives.algorithm import Algorithm, Opaque, collective, per_segment
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.collectives.kinds import KINDS
from mpitrain.collectives.schedule import ScheduleError


def test_every_algorithm_that_is_written_is_listed_under_its_own_name():
    listed = {str(algorithm): algorithm for family in CATALOGUE.values() for algorithm in family.values()}
    modules = [import_module(f"mpitrain.collectives.{module.name}") for module in iter_modules(collectives.__path__)]
    written = {str(value) for module in modules for value in vars(module).values() if isinstance(value, Algorithm)}
    assert set(listed) == written
    for kind, family in CATALOGUE.items():
        for name, algorithm in family.items():
            assert (algorithm.collective, algorithm.name) == (kind, name)


def test_find():
    assert find("allreduce", "ring") is ring.allreduce
    library = find("bcast", "library")
    assert isinstance(library, Opaque)
    assert (str(library), library.description) == ("library.bcast", "whatever the MPI library does for bcast")


def segmented(rank, size, segments=4, inner="ring"):
    yield from ()


SEGMENTED = collective("bcast", chunks=per_segment, segments=4, inner="ring")(segmented)


def test_parameters_are_given_in_the_name_and_shown_in_it():
    given = SEGMENTED.with_given(segments=16)
    assert hash(given) == hash(SEGMENTED.with_given(segments=16))  # programs are kept by it
    assert (str(given), dict(given.parameters)) == (
        "test_catalogue(segments=16).bcast",
        {"segments": 16, "inner": "ring"},
    )
    assert str(given.schedule(3)) == "test_catalogue.bcast(size=3, segments=16, inner=ring)"
    assert (SEGMENTED.schedule(3).chunks, given.schedule(3).chunks, given.schedule(3, segments=2).chunks) == (4, 16, 2)
    assert dict(given.fitted(segments=8, ranks_per_node=2).parameters)["segments"] == 16  # as asked for
    assert dict(SEGMENTED.fitted(segments=8, ranks_per_node=2).parameters) == {"segments": 8, "inner": "ring"}
    with pytest.raises(ScheduleError, match=r"test_catalogue.bcast has segments, inner: found depth=3"):
        SEGMENTED.with_given(depth=3)
    with pytest.raises(ScheduleError, match=r"test_catalogue.bcast: segments=many: expected such as 4"):
        SEGMENTED.with_given(segments="many")
    with pytest.raises(ScheduleError, match=r"segments=1\+2: expected such as 4"):
        SEGMENTED.with_given(segments=(1, 2))
    with pytest.raises(ScheduleError, match=r"^segments=0: expected 1 or more"):
        SEGMENTED.with_given(segments=0).schedule(2).chunks  # noqa: B018
    with pytest.raises(ScheduleError, match=r"ranks_per_node=ring: expected a number, or several such as 3\+3\+2"):
        find("allgather", "hierarchical(ranks_per_node=ring)")
    with pytest.raises(ScheduleError, match=r"ring.allreduce has no parameters: found segments=3"):
        find("allreduce", "ring(segments=3)")


@pytest.mark.parametrize(
    ("collective", "name", "text"),
    [
        ("allreduce", "ring(segments)", "no algorithm 'ring(segments)' for allreduce: expected ring, "),
        ("allreduce", "ring(at=1+x)", "at=1+x: expected numbers, such as at=3+3+2"),
        (
            "allreduce",
            "rnig",
            "no algorithm 'rnig' for allreduce: expected ring or another that `mpitrain prove allreduce` lists, "
            "or library",
        ),
        (
            "reduceall",
            "ring",
            f"no collective 'reduceall': expected one of {', '.join(KINDS)}",
        ),
        (
            "bcast",
            "binomial(radix=2)",
            "no algorithm 'binomial(radix=2)' for bcast: expected binomial_tree or another that "
            "`mpitrain prove bcast` lists, or library",
        ),
        ("gossip", "library", "no algorithm 'library' for gossip: expected one that `mpitrain prove gossip` lists"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(collective, name, text):
    with pytest.raises(ScheduleError) as error:
        find(collective, name)
    assert str(error.value).startswith(text)
