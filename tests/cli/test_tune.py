"""`mpitrain tune` and `explain` on real ranks, and Open MPI taking the rules that are exported. No time is asserted."""

import json
import os
import re

import pytest

from mpitrain.cli import main
from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.tune_measure import between
from mpitrain.launcher import survey
from mpitrain.tuning import Measured, Place, Way
from mpitrain.tuning.measured import PlaceTable
from mpitrain.tuning.openmpi_rules import FIXED, LibraryAlgorithm, rules

QUICK = ("--rounds", "1", "--nbytes", "1K,64K")


def open_mpi_only():
    found = survey(os.environ).launcher
    if found is None or found.family != "openmpi":
        pytest.skip("these rules are Open MPI's")


@pytest.fixture(scope="module")
def once():
    """What several tests look at, and takes long to make."""
    return {}


@pytest.fixture
def tuned(once, mpitrain, tmp_path):
    """Tune an allreduce on 2 ranks; what was printed, the table being in t.json."""
    if not once:
        code, out, err = mpitrain("tune", "allreduce", *QUICK, "--out", "t.json", ranks=2)
        assert (code, err) == (0, "")
        once.update(out=out, table=(tmp_path / "t.json").read_text())
    (tmp_path / "t.json").write_text(once["table"])
    return once["out"]


def test_a_table_is_made_and_used_where_it_was_made_only(mpitrain, tmp_path, tuned):
    out = tuned
    assert re.match(r"allreduce, \d\d ways\n        1,024 bytes  ", out)
    assert out.splitlines()[-1].startswith("t.json: allreduce at 2 ranks on 1 node, ")
    assert out.count("t.json:") == 1
    code, out, err = mpitrain("tune", "bcast", *QUICK, "--out", "t.json", ranks=3)
    assert (code, err) == (0, "")
    places = json.loads((tmp_path / "t.json").read_text())["places"]
    assert [(place["ranks"], [*place["collectives"]]) for place in places] == [(2, ["allreduce"]), (3, ["bcast"])]
    visited = places[0]["collectives"]["allreduce"]["nbytes"]
    assert {1024, 65536} <= {*visited} <= {*range(1024, 65537)}
    assert {"library", "shared ring", "mpi ring"} < places[0]["collectives"]["allreduce"]["microseconds"].keys()
    code, out, err = mpitrain("explain", "allreduce", "--nbytes", "9000", "--tuning", "t.json", ranks=2)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"allreduce +9,000 bytes  .+ \(\d+\.\d us\): measured between .+ and .+, 2 ranks on 1 node, "
        r"a core for each rank, .+; runner-up .+ \(\d+\.\d us\)\n",
        out.replace("more ranks than cores", "a core for each rank"),
    )
    code, out, err = mpitrain("explain", "allreduce", "--nbytes", "9000", ranks=3, MPITRAIN_TUNING="t.json")
    assert (code, err) == (0, "")
    assert ": table: up to 16 KiB, " in out


def test_collectives_with_two_buffers_and_with_none(mpitrain, tmp_path):
    names = ("gather", "scatter", "alltoall", "barrier")
    code, out, err = mpitrain("tune", *names, *QUICK, "--out", "t.json", ranks=3)
    assert (code, err) == (0, "")
    (place,) = json.loads((tmp_path / "t.json").read_text())["places"]
    visited = {name: found["nbytes"] for name, found in place["collectives"].items()}
    assert tuple(visited) == names
    assert visited.pop("barrier") == [1]
    assert all({1032, 65544} <= {*sizes} for sizes in visited.values())  # in blocks of equal length
    code, out, err = mpitrain("explain", "barrier", "--tuning", "t.json", ranks=3)
    assert (code, err) == (0, "")
    assert out.count("\n") == out.count(": measured at 1 byte, 3 ranks on 1 node, ") == 1


@pytest.mark.usefixtures("tuned")
def test_a_run_takes_what_the_table_says_on_all_ranks(mpitrain, tmp_path):
    """The table makes an algorithm best that no default takes; every rank plans it, and a world split off as well."""
    table = json.loads((tmp_path / "t.json").read_text())
    found = table["places"][0]["collectives"]["allreduce"]
    found["microseconds"]["mpi recursive_doubling"] = [0.01] * len(found["nbytes"])
    (tmp_path / "t.json").write_text(json.dumps(table))
    options = ("--epochs", 1, "--batch", 500, "--hidden", 8, "--progress", "plain")
    code, out, err = mpitrain(*options, "--tuning", "t.json", "--explain", ranks=2)
    assert (code, err) == (0, "")
    told = [line for line in out.splitlines() if line.startswith("gradients up to ")]
    assert len(told) == 1
    assert ": mpi recursive_doubling (0.0 us): measured between " in told[0]
    (run,) = (tmp_path / "runs").iterdir()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["algorithm"], summary["engine"]) == ("recursive_doubling", "mpi")
    assert f'tuning = "{tmp_path / "t.json"}"' in (run / "config.toml").read_text()
    bench = ("bench", "--nbytes", "32K", "--rounds", 1, "--tuning", "t.json", "--explain")
    code, out, err = mpitrain(*bench, ranks=2)
    assert (code, err) == (0, "")
    assert out.startswith("allreduce           32,768 bytes  mpi recursive_doubling (0.0 us): measured between ")


RANK_0_READS = """
import os
from mpitrain.launch_environment import environment_rank
rank = environment_rank(os.environ).rank
os.environ["MPITRAIN_TUNING"] = f"t{rank}.json"
import mpitrain
with mpitrain.init() as world:
    halves = world.split(rank // 2)
    told = [str(each.explain("allreduce", 2048)) for each in (world, halves)]
    print(f"{rank}: {told[0]} | {told[1]}", flush=True)
    halves.close()
"""


@pytest.mark.usefixtures("tuned")
def test_rank_0_reads_for_all_and_for_worlds_that_are_split_off(launch, tmp_path):
    """Of 4 ranks each has a file of its own in mind, and but for rank 0's there is none."""
    table = json.loads((tmp_path / "t.json").read_text())
    table["places"] *= 2
    for at, (ranks, way) in enumerate(((2, "mpi ring"), (4, "mpi direct"))):
        place = table["places"][at] = json.loads(json.dumps(table["places"][at]))
        found = place["collectives"]["allreduce"]
        found["microseconds"][way] = [0.01] * len(found["nbytes"])
        place |= {"ranks": ranks, "ranks_per_node": ranks, "crowded": len(os.sched_getaffinity(0)) < 4}
    (tmp_path / "t0.json").write_text(json.dumps(table))
    process = launch(4, "-c", RANK_0_READS)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    found = re.findall(r"(\d): (mpi \w+) \(0\.0 us\): measured .*? \| (mpi \w+) \(0\.0 us\): measured ", out)
    assert sorted(found) == [(str(rank), "mpi direct", "mpi ring") for rank in range(4)]


def test_explain_in_a_world_of_one(mpitrain):
    code, out, err = mpitrain("explain", "bcast", "--nbytes", "64K,1K")
    assert (code, err) == (0, "")
    assert [line.split("  ")[-1] for line in out.splitlines()] == [
        "solo binomial_tree: table: up to 32 KiB, a core for each rank; runner-up none",
        "solo scatter_allgather: table: above 32 KiB, a core for each rank; runner-up none",
    ]


ONE_LINE_FAULTS = {
    ("tune",): "tune: one rank sends nothing; start more, as with mpirun -n 2",
    ("tune", "gossip"): f"no collective 'gossip': expected some of {', '.join(KINDS)}",
    ("tune", "--rounds", "0"): "--rounds 0: expected 1 or more",
    ("explain", "--nbytes", "1K,x"): "--nbytes x: expected a number of bytes such as 4096, 64K or 100M",
    ("explain", "--tuning", "no.json"): (
        "--tuning no.json: cannot be read: No such file or directory; "
        "make it anew with `mpirun -n N python -m mpitrain tune --out FILE`"
    ),
}  # fmt: skip


@pytest.mark.parametrize("arguments", ONE_LINE_FAULTS, ids=" ".join)
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(list(arguments))
    assert (ending.value.code, capsys.readouterr().err) == (2, f"mpitrain: {ONE_LINE_FAULTS[arguments]}\n")


@pytest.mark.parametrize("command", [("explain",), ("--epochs", 1), ("bench",)])
def test_a_broken_table_is_one_line_of_rank_0(mpitrain, tmp_path, command):
    (tmp_path / "t.json").write_text('{"format": "mpitrain tuning", "version": 99}')
    code, out, err = mpitrain(*command, ranks=3, MPITRAIN_TUNING="t.json")
    assert code == 2
    fault = "mpitrain: MPITRAIN_TUNING=t.json: version: expected 1, which this mpitrain reads, found 99; make it anew "
    assert (out + err).count(fault) == (out + err).count("t.json") == 1
    assert "Traceback" not in out + err


def test_a_file_that_is_no_table_is_not_overwritten(mpitrain, tmp_path):
    (tmp_path / "notes.json").write_text("[1, 2]")
    code, out, err = mpitrain("tune", "bcast", *QUICK, "--out", "notes.json", ranks=2)
    assert code == 2
    fault = 'mpitrain: --out notes.json: format: expected "mpitrain tuning", found [1, 2]; make it anew '
    assert (out + err).count(fault) == 1
    assert (tmp_path / "notes.json").read_text() == "[1, 2]"


PROGRAM = """
import sys
import numpy
from mpi4py import MPI
array = numpy.ones(int(sys.argv[1]), "f4")
for _ in range(50):
    MPI.COMM_WORLD.Allreduce(MPI.IN_PLACE, array)
assert array[0] == 4.0**50
"""

FORCED = """
import sys
import numpy
from mpitrain.engines.library_algorithms import forced_algorithms
with forced_algorithms("allreduce") as comms:
    for _ in range(500):
        comms[sys.argv[1]].Allreduce(numpy.ones(64, "f4"), numpy.empty(64, "f4"))
"""


def peers_of_rank_0(launch, argument, program=PROGRAM, **environment):
    """To whom rank 0 sends messages in an allreduce, and how many: what Open MPI's own monitoring prints at its end."""
    process = launch(
        4, "-c", program, str(argument), OMPI_MCA_pml_monitoring_enable="2", OMPI_MCA_pml_monitoring_enable_output="1",
        OMPI_MCA_mpi_yield_when_idle="1", **environment,
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    lines = re.findall(r"^I\t0\t(\d+)\t\d+ bytes\t(\d+) msgs sent", out + err, re.MULTILINE)
    return {int(peer): int(messages) for peer, messages in lines}


def test_open_mpi_takes_exported_rules(launch, tmp_path):
    """4 ranks, 50 allreduces: a ring sends 2 (p - 1) messages each to the next rank alone, recursive doubling one each
    to the ranks at distance 1 and 2, a linear one a message to every rank. The rules say which from which size on."""
    open_mpi_only()
    names = {"ring": LibraryAlgorithm(4, "ring"), "doubling": LibraryAlgorithm(3, "recursive_doubling")}
    times = {names["ring"]: (1e-6, 9e-6), names["doubling"]: (9e-6, 1e-6), FIXED: (5e-6, 5e-6)}
    seconds = {Way("mpi", str(algorithm)): found for algorithm, found in times.items()}
    place = Place("Open MPI", ranks=4, nodes=1, ranks_per_node=4, crowded=True)
    table = PlaceTable(place, {}, {"allreduce": Measured((1024, 16384), seconds)})  # the border: 4096 bytes
    (tmp_path / "rules").write_text(rules([table]))
    loading = {
        "OMPI_MCA_coll_tuned_use_dynamic_rules": "1",
        "OMPI_MCA_coll_tuned_dynamic_rules_filename": str(tmp_path / "rules"),
    }
    assert peers_of_rank_0(launch, 1023, **loading) == {1: 50 * 6}
    assert peers_of_rank_0(launch, 1024, **loading) == {1: 50, 2: 50}
    (tmp_path / "rules").write_text(rules([PlaceTable(place._replace(ranks=3), {}, table.library_algorithms)]))
    assert peers_of_rank_0(launch, 1023, **loading) == peers_of_rank_0(launch, 1023) != {1: 50 * 6}


def test_open_mpi_takes_the_algorithm_that_is_forced(launch):
    """4 ranks, 500 allreduces, beside a few messages for making communicators."""
    open_mpi_only()
    ring, doubling = (peers_of_rank_0(launch, f, FORCED) for f in ("ring(4)", "recursive_doubling(3)"))
    assert 3000 <= ring[1] < 3400
    assert ring.get(2, 0) < 400
    assert all(500 <= doubling[peer] < 900 for peer in (1, 2))


def test_rules_are_measured_and_exported(mpitrain, tmp_path):
    open_mpi_only()
    options = ("tune", "reduce", "exscan", *QUICK, "--out", "t.json", "--export", "openmpi", "rules")
    code, out, err = mpitrain(*options, ranks=3)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].endswith(f"OMPI_MCA_coll_tuned_dynamic_rules_filename={tmp_path / 'rules'}")
    (place,) = json.loads((tmp_path / "t.json").read_text())["places"]
    assert [*place["library_algorithms"]] == ["reduce"]
    ways = place["library_algorithms"]["reduce"]["microseconds"]
    assert {"mpi library(0)", "mpi linear(1)", "mpi pipeline(3, segment=32768)", "mpi binomial(5)"} < ways.keys()
    lines = (tmp_path / "rules").read_text().splitlines()
    assert lines[:3] == ["rule-file-version-2", "1 # collectives", "11 # reduce"]
    assert lines[lines.index("3 # ranks") + 2].startswith("0 ")


def test_only_open_mpi_has_these_rules(mpitrain):
    found = survey(os.environ).launcher
    if found is None or found.family != "mpich":
        pytest.skip("a test of MPICH")
    code, out, err = mpitrain("tune", "bcast", *QUICK, "--export", "openmpi", "rules", ranks=2)
    assert code == 2
    assert (out + err).count("mpitrain: --export openmpi: expected Open MPI, found MPICH") == 1


def test_it_looks_closer_where_another_way_becomes_the_best():
    """a is best at 1 KiB and b at 4 KiB, where a takes twice as long; beyond, only what makes no difference changes."""
    a, b = Way("mpi", "library"), Way("shared", "direct")
    times = {1024: {a: 1.0, b: 2.0}, 4096: {a: 4.0, b: 2.0}, 16384: {a: 3.0, b: 2.95}, 65536: {a: 4.0, b: 4.05}}
    assert between(times) == [2048]
    assert between({0: {a: 1.0, b: 2.0}, 64: {a: 4.0, b: 2.0}, 128: {a: 1.0, b: 2.0}}) == []
