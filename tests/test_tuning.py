"""The table of choices: complete, honest about its reason, and only of algorithms that exist."""

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
            assert row.algorithm != row.runner_up
            for name in (row.algorithm, row.runner_up):
                find(collective, name)


def test_operations_that_do_not_commute_get_an_ordered_algorithm():
    for collective, name in IN_RANK_ORDER.items():
        found = find(collective, name)
        assert not isinstance(found, Opaque)
        assert found.ordered
        assert choose(collective, 1 << 30, "mpi", commutative=False).algorithm == name


@pytest.mark.parametrize(
    ("nbytes", "crowded", "algorithm", "reason"),
    [
        (16 << 10, False, "recursive_doubling", "table: up to 16 KiB, a core for each rank"),
        ((16 << 10) + 1, False, "halving_doubling", "table: above 16 KiB, up to 1 MiB, a core for each rank"),
        (1 << 30, False, "ring", "table: above 1 MiB, a core for each rank"),
        (0, True, "binomial_tree", "table: up to 64 KiB, more ranks than cores"),
        (1 << 20, True, "direct", "table: above 64 KiB, more ranks than cores"),
    ],
)
def test_the_reason_is_in_words(nbytes, crowded, algorithm, reason):
    choice = choose("allreduce", nbytes, "mpi", crowded=crowded)
    assert (choice.algorithm, choice.reason) == (algorithm, reason)


def test_the_reason_of_a_table_without_bounds():
    assert choose("exscan", 5, "mpi").reason == "table: a core for each rank"
