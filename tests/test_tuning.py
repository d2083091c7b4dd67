"""The table of choices: complete, honest about its reason, and only of ways that exist."""

from itertools import product

import pytest

from mpitrain.collectives.algorithm import Opaque
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.tuning import A_CORE_EACH, IN_RANK_ORDER, MORE_RANKS_THAN_CORES, choose


@pytest.mark.parametrize("table", [A_CORE_EACH, MORE_RANKS_THAN_CORES])
def test_every_collective_and_every_size_has_a_choice(table):
    assert table.keys() == CATALOGUE.keys() - {"gossip"}
    for collective, rows in table.items():
        bounds = [row.up_to for row in rows]
        assert bounds[-1] is None
        assert None not in bounds[:-1]
        assert bounds[:-1] == sorted(bounds[:-1])
        for row in rows:
            assert len(set(row.ways)) == len(row.ways) >= 2
            for engine, name in row.ways:
                assert engine in ("shared", "mpi")
                find(collective, name)


@pytest.mark.parametrize("crowded", [False, True])
@pytest.mark.parametrize("library", [False, True])
@pytest.mark.parametrize("engines", [("shared", "mpi"), ("shared",), ("mpi",)])
def test_a_choice_is_possible_wherever_one_is(engines, library, crowded):
    for collective, nbytes in product(A_CORE_EACH, (0, 1 << 15, 1 << 19, 1 << 30)):
        choice = choose(collective, nbytes, engines=engines, library=library, crowded=crowded)
        assert choice.engine in engines
        assert library or choice.algorithm != "library"
        assert choice.runner_up != choice.algorithm


@pytest.mark.parametrize("engines", [("shared", "mpi"), ("mpi",)])
def test_operations_that_do_not_commute_get_an_ordered_algorithm(engines):
    for collective in IN_RANK_ORDER:
        choice = choose(collective, 1 << 30, engines=engines, commutative=False)
        found = find(collective, choice.algorithm)
        assert not isinstance(found, Opaque)
        assert found.ordered
        assert choice.engine == engines[0]


@pytest.mark.parametrize(
    ("nbytes", "crowded", "engines", "way", "reason", "runner_up"),
    [
        (9, False, ("shared", "mpi"), "mpi library", "table: up to 16 KiB, a core for each rank", "shared direct"),
        (1 << 30, False, ("shared", "mpi"), "shared direct", "table: above 1 MiB, a core for each rank", "mpi ring"),
        (1 << 30, False, ("mpi",), "mpi ring", "table: above 1 MiB, a core for each rank", "library"),
        (1 << 20, True, ("mpi",), "mpi direct", "table: above 64 KiB, more ranks than cores", "library"),
    ],
)  # fmt: skip
def test_the_reason_is_in_words(nbytes, crowded, engines, way, reason, runner_up):
    choice = choose("allreduce", nbytes, engines=engines, crowded=crowded)
    assert (f"{choice.engine} {choice.algorithm}", choice.reason, choice.runner_up) == (way, reason, runner_up)


def test_the_reason_of_a_table_without_bounds():
    assert choose("alltoall", 5).reason == "table: a core for each rank"
