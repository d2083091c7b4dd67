"""`mpitrain bench` on collectives: what its numbers mean, what it prints and writes, what a user can get wrong."""

import json
import math

import numpy as np
import pytest

from mpitrain.cli import main
from mpitrain.cli.bandwidth import algorithm_bandwidth, bus_bandwidth
from mpitrain.cli.bench_kinds import KINDS, Given
from mpitrain.cli.bench_table import COLUMNS, line, side_by_side, summary
from mpitrain.cli.bench_ways import Memory, Way, check
from mpitrain.cli.turns import spread, take_turns
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.engines.solo import SoloWorld

QUICK = ("--rounds", "2", "--nbytes", "1003,64K")

ONE_LINE_FAULTS = {
    ("allreduces",): f"no collective 'allreduces' to measure: expected one of {', '.join(KINDS)}",
    ("gossip",): f"no collective 'gossip' to measure: expected one of {', '.join(KINDS)}",
    ("bcast", "--nbytes", "1K,,2K"): "--nbytes : expected a number of bytes such as 4096, 64K or 100M",
    ("bcast", "--nbytes", "64k,1X"): "--nbytes 1X: expected a number of bytes such as 4096, 64K or 100M",
    ("bcast", "--algorithm", "ring"): (
        "no algorithm 'ring' for bcast: expected one that `mpitrain prove bcast` lists, or library"
    ),
    ("bcast", "--dtype", "f4"): (
        "--dtype f4: expected one of float16, bfloat16, float32, float64, int8, int16, int32, int64"
    ),
    ("bcast", "--rounds", "0"): "--rounds 0: expected 1 or more",
    ("bcast", "--seed", "-1"): "--seed -1: expected 0 or more",
    ("bcast", "--engine", "tcp"): 'Invalid value "tcp" for --engine. Choose from: "auto", "mpi", "shared".',
    ("bcast", "--json", "no/where.json"): (
        "--json no/where.json: expected a file in a folder that can be written"
    ),
    ("bcast", "--algorithm", "library"): (
        "no MPI library runs bcast in a world of one without MPI: use engine mpi"
    ),
}  # fmt: skip


@pytest.mark.parametrize("arguments", ONE_LINE_FAULTS, ids=" ".join)
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(["bench", *arguments])
    _, err = capsys.readouterr()
    assert (ending.value.code, err) == (2, f"mpitrain: {ONE_LINE_FAULTS[arguments]}\n")


def test_too_much_for_the_memory_is_one_line(mpitrain):
    code, out, err = mpitrain("bench", "--nbytes", "99999G", ranks=2)
    assert code == 2
    assert (out + err).count("mpitrain: --nbytes 107373108658176: expected at most ") == 1
    assert "since 2 ranks need 3 times as much each and there are " in out + err
    assert "Traceback" not in out + err


def test_bandwidths_are_those_of_nccl_tests():
    """4 GB in 0.5 s on 4 ranks, with the factors of doc/PERFORMANCE.md worked out by hand."""
    assert algorithm_bandwidth(4_000_000_000, 0.5) == 8.0
    by_hand = {"allreduce": 12.0, "reduce_scatter": 6.0, "allgather": 6.0, "bcast": 8.0, "reduce": 8.0,
               "gather": 6.0, "scatter": 6.0, "alltoall": 6.0, "scan": 8.0, "exscan": 8.0, "barrier": None}  # fmt: skip
    assert {name: bus_bandwidth(name, 4, 4_000_000_000, 0.5) for name in KINDS} == by_hand
    assert bus_bandwidth("allreduce", 2, 1000, 1e-6) == pytest.approx(1.0)
    assert bus_bandwidth("allreduce", 8, 1000, 1e-6) == pytest.approx(1.75)
    assert bus_bandwidth("allgather", 8, 1000, 1e-6) == pytest.approx(0.875)


class Scripted(SoloWorld):
    """A world whose clock only moves when a way takes time, and whose other rank is slower by a second in round 2."""

    def __init__(self):
        super().__init__()
        self.clock, self.story = 0.0, []

    def now(self):
        return self.clock

    def barrier(self):
        self.story.append("barrier")

    def allreduce(self, buffer, op="sum", **options):
        assert op == "max"
        return np.maximum(buffer, [[0, 0], [1, 0], [0, 0]])


def test_ways_take_turns_and_the_first_round_does_not_count():
    world = Scripted()

    def way(name, seconds):
        def run():
            world.story.append(name)
            world.clock += seconds * (100 if world.story.count(name) <= 2 else 1)

        return run

    seconds = take_turns(world, [way("ours", 0.25), way("theirs", 0.5)], rounds=3, calls=2)
    assert world.story == ["barrier", "ours", "ours", "barrier", "theirs", "theirs"] * 4
    assert seconds.tolist() == [[0.25, 0.5], [1.0, 0.5], [0.25, 0.5]]
    assert spread(seconds[:, 0]) == (0.25, 0.25, 1.0)


def test_a_way_that_is_wrong_is_not_timed():
    world = SoloWorld()
    buffer = np.empty(1000, np.float32)

    def way(run):
        return Way("broken", "solo", "", run, Memory(buffer, None, 1000, buffer.dtype), buffer, lambda: None)

    check(world, "allreduce", way(lambda: None), seed=0)
    assert not buffer.any()
    with pytest.raises(RuntimeError, match=r"^bcast of 4000 bytes by solo broken: element 700 is 99\.0, expected "):
        check(world, "bcast", way(lambda: buffer.__setitem__(700, 99)), seed=0)


def record(nbytes, ratio, algorithm="direct", why_not=None):
    return {"nbytes": nbytes, "ratio": ratio, "engine": "shared", "algorithm": algorithm, "why_no_ratio": why_not}


def test_the_last_word_counts_from_64_kib():
    records = [record(1024, 0.5), record(65536, 2.0), record(1 << 20, 8.0)]
    assert summary(records, by_way=False) == (
        "library / ours over 2 sizes from 64 KiB on: geometric mean 4.00, smallest 2.00 (at 65,536 bytes)"
    )
    assert summary([*records, record(65536, 3.0, "ring")], by_way=True) == (
        "library / ours over 2 sizes from 64 KiB on:\n"
        "shared direct              geometric mean 4.00, smallest 2.00 (at 65,536 bytes)\n"
        "shared ring                geometric mean 3.00, smallest 3.00 (at 65,536 bytes)"
    )  # fmt: skip
    assert summary(records[:1], by_way=False) == "library / ours: no size of 64 KiB or more"
    assert summary([record(65536, None, why_not="one rank")], by_way=False) == "nothing to compare with: one rank"


def test_all_ways_stand_side_by_side():
    """The best of each size is marked, the library's own call among them."""
    records = [
        {"nbytes": n, "engine": engine, "algorithm": name, "median_us": us, "library_median_us": library}
        for n, library, times in ((1024, 5.0, (7.25, 6.0)), (65536, 2000.0, (12.0, 3000.5)))
        for (engine, name), us in zip((("shared", "ring"), ("mpi", "torus(rows=2)")), times, strict=True)
    ]
    assert side_by_side(records) == (
        "median us, * the best              1,024      65,536\n"
        "shared ring                         7.2        12.0*\n"
        "mpi torus(rows=2)                   6.0     3,000.5 \n"
        "the library's own call              5.0*    2,000.0 "
    )


def test_what_ranks_must_get():
    """3 ranks that bring 0 1 2 3, 10 11 12 13 and 20 21 22 23, in blocks of 1, 1 and 2 elements."""
    numbers = np.resize(np.arange(4), (3, 4)) + [[0], [10], [20]]
    wanted = {
        "allreduce": ([30, 33, 36, 39],) * 3,
        "reduce_scatter": ([30], [33], [36, 39]),
        "allgather": ([0, 11, 22, 23],) * 3,
        "bcast": ([0, 1, 2, 3],) * 3,
        "reduce": ([30, 33, 36, 39], None, None),
        "gather": ([0, 11, 22, 23], None, None),
        "scatter": ([0], [1], [2, 3]),
        "scan": ([0, 1, 2, 3], [10, 12, 14, 16], [30, 33, 36, 39]),
        "exscan": (None, [0, 1, 2, 3], [10, 12, 14, 16]),
        "barrier": (None, None, None),
    }
    for collective, of_ranks in wanted.items():
        for rank, expected in enumerate(of_ranks):
            found = KINDS[collective].wanted(Given(rank, 4, numbers))
            assert (None if found is None else found.tolist()) == expected, (collective, rank)
    both = np.array([[0, 1, 2, 3], [10, 11, 12, 13]])
    assert [KINDS["alltoall"].wanted(Given(rank, 4, both)).tolist() for rank in (0, 1)] == [
        [0, 1, 10, 11],
        [2, 3, 12, 13],
    ]
    assert [KINDS["alltoall"].elements(1000, 4, ranks) for ranks in (1, 3, 7)] == [250, 252, 252]
    assert KINDS["bcast"].elements(1003, 4, 3) == 250


def test_the_widest_line_fits_into_100_columns():
    numbers = dict.fromkeys((key for key, _, _ in COLUMNS.values()), 99999.94)
    widest = numbers | {"nbytes": 1 << 30, "algorithm": "recursive_doubling", "engine": "shared", "ratio": 12.34}
    assert len(line(widest | {"algbw": 123.45, "busbw": 123.45})) <= 100


def measured(tmp_path, out):
    """(environment, records) of the file, once the printed table tells the same."""
    content = json.loads((tmp_path / "x.json").read_text())
    rows = [row for row in out.splitlines() if row[:11].strip().replace(",", "").isdigit()]
    assert rows == [line(record) for record in content["records"]]
    assert all(len(row) <= 100 for row in out.splitlines())
    return content["environment"], content["records"]


@pytest.mark.parametrize("collective", KINDS)
def test_a_real_run_prints_once_and_writes_every_number(mpitrain, tmp_path, collective):
    code, out, err = mpitrain("bench", collective, *QUICK, "--json", "x.json", ranks=3)
    assert (code, err) == (0, "")
    environment, records = measured(tmp_path, out)
    assert environment.keys() == {
        "ranks", "ranks_on_node", "cores", "cpu", "mpi_library", "python", "numpy", "blas", "mpitrain"
    }  # fmt: skip
    assert (environment["ranks"], environment["numpy"]) == (3, np.__version__)
    assert environment["mpi_library"].split()[0] in ("Open", "MPICH")
    sizes = [(1000, 250, 100), (65536, 16384, 100)]
    if collective == "barrier":
        sizes = [(0, 0, 100)]
    if collective in ("gather", "scatter", "alltoall"):  # in blocks of equal length
        sizes = [(1008, 252, 100), (65544, 16386, 100)]
    assert [(r["nbytes"], r["count"], r["calls"]) for r in records] == sizes
    for r in records:
        assert (r["collective"], r["ranks"], r["dtype"], r["rounds"]) == (collective, 3, "float32", 2)
        assert (r["memory"], r["call"], r["why_no_ratio"]) == ("window", "plan", None)
        assert r["why"].startswith("table: ")
        assert r["min_us"] <= r["median_us"] <= r["max_us"]
        assert r["library_min_us"] <= r["library_median_us"] <= r["library_max_us"]
        assert r["ratio"] == r["library_median_us"] / r["median_us"]
        assert math.isclose(r["algbw"], r["nbytes"] / r["median_us"] / 1000)
    last = "no size of 64 KiB or more" if collective == "barrier" else "over 1 size from 64 KiB on: geometric mean "
    assert f"library / ours{':' if collective == 'barrier' else ''} {last}" in out.splitlines()[-1]


def test_every_algorithm_on_every_engine(mpitrain, tmp_path):
    arguments = ("bench", "bcast", "--algorithm", "all", "--nbytes", "64K", "--rounds", 1, "--json", "x.json")
    code, out, err = mpitrain(*arguments, ranks=2)
    assert (code, err) == (0, "")
    _, records = measured(tmp_path, out)
    names = tuple(CATALOGUE["bcast"])
    assert [(r["engine"], r["algorithm"]) for r in records] == [
        *(("shared", name) for name in names), *(("mpi", name) for name in names), ("mpi", "library"),
    ]  # fmt: skip
    assert out.count("geometric mean") == 2 * len(names) + 1


def test_calls_without_a_plan_in_ordinary_memory(mpitrain, tmp_path):
    options = ("--call", "adhoc", "--memory", "foreign", "--engine", "mpi", "--algorithm", "ring", "--dtype", "int8")
    code, out, err = mpitrain("bench", "reduce_scatter", *QUICK, *options, "--json", "x.json", ranks=2)
    assert (code, err) == (0, "")
    assert out.startswith("reduce_scatter of int8, 2 ranks, ")
    assert "ours: world.reduce_scatter(buffer) in ordinary arrays; " in out
    _, records = measured(tmp_path, out)
    assert [(r["engine"], r["algorithm"], r["count"]) for r in records] == [
        ("mpi", "ring", 1003), ("mpi", "ring", 65536)
    ]  # fmt: skip


def test_what_cannot_be_compared_is_said(mpitrain, tmp_path):
    code, out, err = mpitrain("bench", *QUICK, "--json", "x.json")
    assert (code, err) == (0, "")
    environment, records = measured(tmp_path, out)
    assert environment["mpi_library"] is None
    assert [r["ratio"] for r in records] == [None, None]
    assert out.splitlines()[-1] == ("nothing to compare with: one rank sends nothing; start more, as with mpirun -n 2")
    code, out, err = mpitrain("bench", *QUICK, "--dtype", "bfloat16", ranks=2)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "nothing to compare with: the MPI library cannot reduce bfloat16"
    code, out, err = mpitrain("bench", *QUICK, "--dtype", "bfloat16", "--algorithm", "library", ranks=2)
    assert code == 2
    assert (out + err).count("mpitrain: the MPI library cannot reduce bfloat16: choose one of our algorithms") == 1
    assert "Traceback" not in out + err
