"""`mpitrain calibrate` and `bench --predict`, on real ranks and on paper. No time is asserted."""

import json
import re
import tomllib

import pytest

from mpitrain.cli import main
from mpitrain.cli.bench_predict import nearness, predict
from mpitrain.cli.bench_predict import table as predicted_table
from mpitrain.cli.calibrate_measure import MEASURED, Turn, steady
from mpitrain.cli.calibrate_table import table
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.tuning import Place
from mpitrain.tuning.calibration import Calibration, Flat
from mpitrain.tuning.choose import Tuning
from mpitrain.tuning.cost_model import CostModel, Errors
from mpitrain.tuning.terms import COUNTED, KNOTS, MOVING

PLACE = Place("Some MPI 1", ranks=2, nodes=1, ranks_per_node=2, crowded=False)


def test_what_is_calibrated_tells_what_to_expect(mpitrain, tmp_path):
    """On 2 ranks, and then a bench in another job, of algorithms and a size that were not measured."""
    quick = ("--rounds", 1, "--nbytes", "1K,64K")
    code, out, err = mpitrain("calibrate", *quick, "--out", "c.json", ranks=2)
    assert (code, err) == (0, "")
    assert out.startswith("turn 1 of 1 ...\n\n2 ranks on 1 node, ")
    assert len(re.findall(r"^  fitted to 20 runs; absolute error: median \d+\.\d%, mean ", out, re.MULTILINE)) == 2
    assert re.search(r"^flat network: --alpha \S+ --beta \S+ --gamma \S+, for mpitrain price$", out, re.MULTILINE)
    assert out.endswith("c.json: use it with mpitrain bench --predict c.json; c.toml: the flat network\n")
    (place,) = json.loads((tmp_path / "c.json").read_text())["places"]
    assert (place["ranks"], [*place["engines"]], place["about"]["nbytes"]) == (
        2,
        ["shared", "mpi"],
        [1024, 65536],
    )
    assert len(place["about"]["algorithms"]) == sum(map(len, MEASURED.values())) == 10
    network = tomllib.loads((tmp_path / "c.toml").read_text())
    assert network == {"topology": "flat"} | {
        key: pytest.approx(value, rel=1e-3) for key, value in place["flat"].items()
    }

    bench = ("bench", "allgather", "--algorithm", "all", "--nbytes", "4K", "--rounds", 2, "--json", "b.json")
    code, out, err = mpitrain(*bench, "--predict", "c.json", ranks=2)
    assert (code, err) == (0, "")
    records = json.loads((tmp_path / "b.json").read_text())["records"]
    told = {(r["engine"], r["algorithm"]) for r in records if r["predicted_us"] is not None}
    assert told == {(engine, name) for engine in ("shared", "mpi") for name in CATALOGUE["allgather"]}
    assert all(
        r["predicted_us"] > 0 and r["min_us"] <= r["quartile_us"] <= r["median_us"] for r in records if r["error"]
    )
    lines = out.splitlines()
    row = re.compile(r"^      4,096 \w+ +(?:mpi|shared) +[\d,]+\.\d +[\d,]+\.\d +[+-]\d+\.\d%$", re.MULTILINE)
    assert len(row.findall(out)) == 12
    assert re.fullmatch(r"12 runs, absolute error: median .+%, mean .+%, largest .+%; beside .+: median .+%", lines[-1])


ONE_LINE_FAULTS = {
    ("calibrate",): "calibrate: one rank sends nothing; start more, as with mpirun -n 2",
    ("calibrate", "--rounds", "0"): "--rounds 0: expected 1 or more",
    ("calibrate", "--nbytes", "x"): "--nbytes x: expected a number of bytes such as 4096, 64K or 100M",
    ("calibrate", "--out", "c.toml"): "--out c.toml: expected another suffix, since the flat network goes to .toml",
    ("bench", "--predict", "c.json"): "--predict c.json: one rank sends nothing; start more, as with mpirun -n 2",
    ("bench", "--predict", "c.json", "--dtype", "float64"): (
        "--predict c.json: expected --dtype float32, found float64"
    ),
    ("bench", "--predict", "c.json", "--call", "adhoc"): "--predict c.json: expected --call plan, found adhoc",
    ("bench", "--predict", "c.json", "--memory", "foreign"): (
        "--predict c.json: expected --memory window, found foreign"
    ),
}


@pytest.mark.parametrize("arguments", ONE_LINE_FAULTS, ids=" ".join)
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(list(arguments))
    assert (ending.value.code, capsys.readouterr().err) == (2, f"mpitrain: {ONE_LINE_FAULTS[arguments]}\n")


def test_a_file_that_is_none_of_ours_stays(mpitrain, tmp_path):
    (tmp_path / "notes.json").write_text("[1, 2]")
    code, out, err = mpitrain("calibrate", "--out", "notes.json", ranks=2)
    assert code == 2
    fault = 'mpitrain: --out notes.json: format: expected "mpitrain calibration", found [1, 2]; make it anew '
    assert (out + err).count(fault) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["notes.json"]
    assert (tmp_path / "notes.json").read_text() == "[1, 2]"


def model(engine, microseconds, nanoseconds_per_kib):
    counted = dict.fromkeys(COUNTED[engine], 0.0) | {term: us / 1e6 for term, us in microseconds.items()}
    moved = {term: (nanoseconds_per_kib.get(term, 0) / 1024e9,) * len(KNOTS) for term in MOVING[engine]}
    return CostModel(engine, 4096, 1 << 18, counted, moved, 120, Errors(0.0234, 0.0567, 0.789))


def calibration(barrier=5e-7):
    models = {
        "shared": model("shared", {"call": 1.0, "group": 0.25, "wait": 0.5}, {"copy": 16, "combine": 64}),
        "mpi": model("mpi", {"call": 1.0, "stage": 2.0, "receive_long": 1.5}, {"pull": 32, "write": 32}),
    }
    return Calibration(PLACE, barrier, models, Flat(1.5e-6, 8e-11, 5e-11))


PRINTED = """\
2 ranks on 1 node, a core for each rank, Some MPI 1; a barrier takes 0.50 us

engine shared: alpha: 0.75 us for another rank to be waited for
  us: call 1.00, group 0.25, wait 0.50, post 0.00, copies 0.00, combines 0.00, signal 0.00
  GB/s, of bytes that a rank touches     16 KiB  256 KiB    1 MiB    4 MiB   16 MiB   64 MiB
  copy                                     64.0     64.0     64.0     64.0     32.0     32.0
  copy what another wrote                  64.0     64.0     64.0     64.0     32.0     32.0
  sum (gamma)                              16.0     16.0     16.0     16.0      8.0      8.0
  fitted to 120 runs; absolute error: median 2.3%, mean 5.7%, largest 78.9%

engine mpi: alpha: 2.00 us a message, 3.50 us from 4 KiB on
  us: call 1.00, stage 2.00, local 0.00, send 0.00, receive 0.00, send_long 0.00, receive_long 1.50, copies 0.00, combines 0.00, signal 0.00
  GB/s, of bytes that a rank touches     16 KiB  256 KiB    1 MiB    4 MiB   16 MiB   64 MiB
  receive (beta)                           16.0     16.0     16.0     16.0      8.0      8.0
  receive what another wrote               16.0     16.0     16.0     16.0      8.0      8.0
  sum (gamma)                              32.0     32.0     32.0     32.0     16.0     16.0
  fitted to 120 runs; absolute error: median 2.3%, mean 5.7%, largest 78.9%

flat network: --alpha 1.5e-06 --beta 8e-11 --gamma 5e-11, for mpitrain price"""  # noqa: E501


def test_costs_as_they_are_printed():
    assert table(calibration()) == PRINTED


class Two:
    """As much of a world as a prediction asks for."""

    size = 2
    tuning = Tuning(PLACE, node_sizes=(2,))


def record(engine, algorithm, nbytes, us, barrier_us=0.5):
    return {
        "collective": "bcast", "engine": engine, "algorithm": algorithm, "nbytes": nbytes, "quartile_us": us,
        "median_us": 2 * us, "barrier_us": barrier_us,
    }  # fmt: skip


def test_predictions_as_they_are_printed():
    """By messages: 1 + 2 us to begin, and at the receiver 1.5 us and 64 ns a KiB. In shared memory time goes round: the
    leaf enters, 1 + 0.25 us; the root has waited for it, 0.75, and copies at 16 ns a KiB; the leaf leaves, 0.75."""
    records = [
        record("mpi", "linear", 102400, 10.0),
        record("shared", "linear", 102400, 4.0),
        record("mpi", "library", 102400, 3.0),
    ]
    predict(Two(), [calibration()], records)
    assert (
        predicted_table([calibration()], records)
        == """\
measured: the lower quartile of the samples, as calibrated; error: predicted / measured - 1
      bytes algorithm              engine  measured us predicted us   error
    102,400 linear                 mpi            10.0         10.9   +9.0%
    102,400 linear                 shared          4.0          4.3   +8.7%
a barrier took 0.50 to 0.50 us, 0.50 when calibrated
2 runs, absolute error: median 8.9%, mean 8.9%, largest 9.0%; beside the samples' medians: median 45.6%"""
    )
    predict(Two(), [calibration()], records[2:])
    assert predicted_table([calibration()], records[2:]) == "nothing to predict: the library's steps are its own"


def test_the_calibration_counts_that_was_made_when_ranks_were_as_near():
    near = calibration()
    far = Calibration(PLACE, 8e-7, {"mpi": model("mpi", {"call": 100.0}, {})}, near.flat)
    records = [record("mpi", "linear", 8, 10.0, barrier_us) for barrier_us in (0.51, 0.75)]
    predict(Two(), [near, far], records)
    assert [found["predicted_us"] for found in records] == [pytest.approx(3), pytest.approx(100)]
    assert nearness([far, near], records) == "a barrier took 0.51 to 0.75 us, 0.50 or 0.80 when calibrated"
    assert nearness([near], records) == (
        "a barrier took 0.51 to 0.75 us, 0.50 when calibrated: ranks are not as near to each other as they were; "
        "calibrate now, and the file holds both"
    )


def test_turns_count_in_which_ranks_stayed_as_near():
    def turn(nbytes, before, after):
        return Turn(nbytes, {}, (before * 1e-7, after * 1e-7))

    turns = [turn(1, 5, 5), turn(2, 5, 8), turn(1, 8, 8), turn(2, 8, 5), turn(1, 5, 5.2), turn(3, 9, 5), turn(3, 5, 5)]
    usual, counted = steady(turns)
    assert usual == 5e-7
    assert counted == [turns[0], turns[4], turns[6], turns[1], turns[3]]  # of size 2 there is no better one
