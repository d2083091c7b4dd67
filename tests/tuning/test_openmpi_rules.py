"""Rules for Open MPI: the text as its reader takes it (coll_tuned_dynamic_file.c), and which algorithm stands where."""

import re

import pytest

from mpitrain.tuning import Measured, Place, Way
from mpitrain.tuning.measured import PlaceTable
from mpitrain.tuning.openmpi_rules import FIXED, LibraryAlgorithm, rules


def place(ranks):
    return Place("Open MPI v5.0.11", ranks=ranks, nodes=1, ranks_per_node=ranks, crowded=False)


def measured(nbytes, **microseconds):
    names = {"own": str(FIXED), "ring": "ring(4)", "chain": "chain(2, segment=32768)"}
    return Measured(
        nbytes, {Way("mpi", names[name]): tuple(us / 1e6 for us in times) for name, times in microseconds.items()}
    )


SIZES = (1024, 4096, 16384, 65536)
TABLES = [
    PlaceTable(
        place(4),
        {},
        {
            "bcast": measured(SIZES, own=(1, 2, 8, 9), chain=(3, 1.99, 4, 4)),
            "allreduce": measured(SIZES, own=(5, 5, 5, 5), ring=(4, 6, 6, 4)),
        },
    ),
    PlaceTable(place(2), {}, {"bcast": measured(SIZES[:1], own=(2,), ring=(1,))}),
]


def test_the_whole_file():
    """Borders lie at geometric means; what gains less than 3 % keeps the library's own decision."""
    assert rules(TABLES) == (
        "rule-file-version-2\n"
        "2 # collectives\n"
        "2 # allreduce\n"
        "3 # sizes of communicators\n"
        "0 # ranks\n1 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
        "4 # ranks\n3 # message sizes\n0 4 0 0 # from 0 bytes on ring(4)\n2048 0 0 0 # from 2048 bytes on library(0)\n"
        "32768 4 0 0 # from 32768 bytes on ring(4)\n"
        "5 # ranks\n1 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
        "7 # bcast\n"
        "5 # sizes of communicators\n"
        "0 # ranks\n1 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
        "2 # ranks\n1 # message sizes\n0 4 0 0 # from 0 bytes on ring(4)\n"
        "3 # ranks\n1 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
        "4 # ranks\n2 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
        "8192 2 0 32768 # from 8192 bytes on chain(2, segment=32768)\n"
        "5 # ranks\n1 # message sizes\n0 0 0 0 # from 0 bytes on library(0)\n"
    )


def test_its_numbers_are_as_many_as_it_says():
    """Read as the library does: numbers alone, comments left away."""
    text = rules(TABLES).removeprefix("rule-file-version-2")
    numbers = iter([int(number) for number in re.sub("#.*", "", text).split()])
    for _ in range(next(numbers)):
        collective = next(numbers)
        assert collective in (2, 7)
        for _ in range(next(numbers)):
            next(numbers)
            starts = []
            for _ in range(next(numbers)):
                start, _, _, _ = (next(numbers) for _ in range(4))
                starts.append(start)
            assert starts[0] == 0
            assert starts == sorted(set(starts))
    assert next(numbers, None) is None


def test_an_algorithm_and_its_text():
    for algorithm in (FIXED, LibraryAlgorithm(4, "ring"), LibraryAlgorithm(3, "pipeline", 32768)):
        assert LibraryAlgorithm.of(str(algorithm)) == algorithm
    with pytest.raises(ValueError, match=r"^'ring': expected such as ring\(4\) or pipeline\(3, segment=32768\)$"):
        LibraryAlgorithm.of("ring")
