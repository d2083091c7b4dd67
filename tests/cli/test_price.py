"""`mpitrain price`: the ranked table word by word, and what a user can get wrong."""

import pytest

from mpitrain.cli import main
from mpitrain.cli.price_table import size_in_words
from mpitrain.collectives.catalogue import CATALOGUE


@pytest.fixture
def price(capsys):
    """Runs the command in this process; gives (exit code, stdout, stderr)."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ending:
            main(["price", *arguments])
        return ending.value.code, *capsys.readouterr()

    return run


UNITS = ("--alpha", "1e-6", "--beta", "1e-9", "--gamma", "1e-9")

TABLE = """\
allreduce on 4 ranks, microseconds, ranked at 1M
algorithm                          1K       1M   steps   messages   how
halving_doubling                 6.30    2,363       4          4   walked
swing                            6.30    2,363       4          4   walked
ring                             8.30    2,365       6          6   walked
"""


def test_all_algorithms_are_ranked(price):
    code, out, err = price("allreduce", "-n", "4", "--nbytes", "1K", "1M", *UNITS)
    assert (code, err) == (0, "")
    lines = [" ".join(line.replace("│", " ").replace("┃", " ").split()) for line in out.splitlines()]
    wanted = [" ".join(line.split()) for line in TABLE.splitlines()]
    assert [line for line in lines if line in wanted] == wanted
    rows = {line.split()[0] for line in lines}
    assert set(CATALOGUE["allreduce"]) <= rows
    assert "lower bound 2.30 2,359" in lines
    assert "best / lower bound 2.65 1.00" in lines
    assert lines[-4:] == [
        "lower bound: the larger of 2.00 us, for messages that follow each other, and 0.00225 us a byte, sent and "
        "summed; not met together: so few bytes take twice as many messages",
        "walked: exact: every rank's program was walked",
        "segments are fitted to the data, as when they run: steps and messages are those of the last size",
        "network: flat, 1 us and 1 GB/s, 1 GB/s reduced",
    ]


def test_where_one_takes_over_from_another(price):
    """On 4 ranks: 2 (a + (b + g) n) against 4 a + 3/4 (2 b + g) n: 2 us = 1.75 ns n at 1142.9 bytes."""
    out = price("allreduce", "-n", "4", *UNITS)[1]
    assert "cheapest: recursive_doubling below 1,143 bytes, then halving_doubling\n" in out


def test_one_algorithm_at_many_ranks(price):
    """2 (p - 1) messages, 2 (p - 1) / p n bytes."""
    code, out, err = price("allreduce", "--algorithm", "ring", "-n", "20000", "--nbytes", "0", *UNITS)
    assert (code, err) == (0, "")
    assert "39,998" in next(line for line in out.splitlines() if " ring " in line)
    assert "alike: exact: ranks do alike and nobody waits, as a sample of ranks and of their partners tells\n" in out
    assert "cheapest" not in out


def test_a_network_by_name(price):
    code, out, err = price("-n", "16", "--nbytes", "1M", "--network", "cluster")
    assert (code, err) == (0, "")
    assert "bounds: between two bounds; the upper one counts\n" in out
    assert "\nnetwork: cluster: nodes of 8 ranks" in out


def test_a_collective_without_a_bound(price):
    out = price("gossip", "-n", "4", "--nbytes", "1K")[1]
    assert "lower bound" not in out


FAULTS = {
    ("--nbytes", "1X"): "--nbytes 1X: expected a number of bytes such as 4096, 64K or 100M",
    ("-n", "0"): "--ranks 0: expected 1 to 262144",
    ("-n", "262145"): "--ranks 262145: expected 1 to 262144",
    ("--alpha", "-1"): "--alpha -1.0: expected seconds, 0 or more",
    ("--gamma", "nan"): "--gamma nan: expected seconds, 0 or more",
    ("--beta", "1", "--network", "flat"): "--beta and --network: expected one or the other",
    ("allgatherv",): f"no collective 'allgatherv': expected one of {', '.join(CATALOGUE)}",
    ("bcast", "--algorithm", "ring"): (
        "no algorithm 'ring' for bcast: expected one that `mpitrain prove bcast` lists, or library"
    ),
    ("--algorithm", "library"): (
        "library.allreduce is opaque: its steps are the library's own, there is nothing to price"
    ),
    ("--algorithm", "torus(rows=3)"): "torus: rows=3 at size 8: expected a divisor",
    ("-n", "65", "--network", "torus"): None,
    ("--network", "no.toml"): "--network no.toml: No such file or directory; expected a TOML file",
}


@pytest.mark.parametrize("arguments", FAULTS, ids=" ".join)
def test_what_is_wrong_is_said_in_one_line(arguments, price):
    code, out, err = price(*arguments)
    assert (code, out) == (2, "")
    told = FAULTS[arguments]
    if told is None:
        assert err.startswith("mpitrain: --ranks 65: 65 ranks on a network for 64: torus 4 x 4 x 4")
        assert err.count("\n") == 1
    else:
        assert err == f"mpitrain: {told}\n"


def test_sizes_in_words():
    sizes = (1, 10239, 10240, 12834, 3 << 20, 5 << 30)
    assert [size_in_words(size) for size in sizes] == [
        "1 bytes", "10,239 bytes", "10 KiB", "12.53 KiB", "3 MiB", "5 GiB",
    ]  # fmt: skip
