"""`train --virtual`: the real trainer on virtual ranks, and one line for everything that a user can get wrong."""

import json
import re

import pytest


def test_a_run_is_a_run_as_usual(mpitrain, tmp_path):
    options = ("--steps", 3, "--batch", 8, "--run-dir", tmp_path / "runs", "--progress", "plain")
    code, out, err = mpitrain("train", "--virtual", 16, "--network", "cluster", "--trace", "trace.json", *options)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("16 virtual ranks, cluster: nodes of 8 ranks, 0.5 us and 10 GB/s within, ")
    assert re.search(r"│ predicted time +│ [\d.]+ s on network cluster +│", out)
    assert re.search(r"16 virtual ranks, [\d.]+ s of virtual time: .* events in .* a second\)", lines[-1])
    (folder,) = (tmp_path / "runs").iterdir()
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["ranks"], summary["steps"], summary["replicas_alike"]) == (16, 3, True)
    assert summary["engine"] == "virtual"
    steps = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps if step["kind"] == "step"] == [1, 2, 3]
    trace = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert {event["pid"] for event in trace} == set(range(16))
    assert {"compute", "reduce", "send", "receive", "wait", "collective"} <= {event.get("cat") for event in trace}


def test_time_is_a_models_and_the_same_every_time(mpitrain, tmp_path):
    predicted = []
    for name in "ab":
        assert mpitrain("train", "--virtual", 4, "--steps", 2, "--name", name, "--run-dir", tmp_path)[0] == 0
        (folder,) = tmp_path.glob(f"*-{name}")
        summary = json.loads((folder / "summary.json").read_text())
        predicted.append((summary["total_seconds"], summary["parameters_sha256"]))
    assert predicted[0] == predicted[1]


def test_a_virtual_run_goes_on_where_it_stopped(mpitrain, tmp_path):
    options = ("--virtual", 4, "--run-dir", tmp_path)
    assert mpitrain("train", "--steps", 6, "--name", "straight", *options)[0] == 0
    assert mpitrain("train", "--steps", 3, "--name", "stopped", *options)[0] == 0
    straight, stopped = (next(tmp_path.glob(f"*-{name}")) for name in ("straight", "stopped"))
    assert mpitrain("train", "--resume", stopped, "--steps", 6)[0] == 0
    found = [json.loads((folder / "summary.json").read_text()) for folder in (straight, stopped)]
    assert found[0]["parameters_sha256"] == found[1]["parameters_sha256"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--virtual", "0"], "--virtual 0: expected 1 or more"),
        (["--network", "cluster"], "--network cluster: expected --virtual with it, and a number of ranks"),
        (["--trace", "t.json"], "--trace t.json: expected --virtual with it, and a number of ranks"),
        (["--virtual", "2", "--engine", "mpi"], "--engine mpi: expected none with --virtual"),
        (
            ["--virtual", "2", "--algorithm", "library"],
            "--algorithm library: expected one of ours: no MPI library runs virtual ranks",
        ),
        (
            ["--virtual", "65", "--network", "torus"],
            "--virtual 65: 65 ranks on a network for 64: torus 4 x 4 x 4, 1 us and 10 GB/s a link",
        ),
        (["--virtual", "2", "--trace", "no/t"], "--trace no/t: expected a file in a folder that can be written"),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(mpitrain, options, text):
    assert mpitrain("train", *options) == (2, "", f"mpitrain: {text}\n")


def test_a_crash_is_told_by_who_waits(mpitrain, tmp_path):
    (tmp_path / "net.toml").write_text(
        'alpha = "1 us"\nbeta = "10 GB/s"\ngamma = "20 GB/s"\n[[fault]]\ncrash = 3\nat = "1 ms"\n'
    )
    code, _, err = mpitrain("train", "--virtual", 4, "--network", "net.toml")
    assert code == 1
    assert re.fullmatch(
        r"mpitrain: rank 3 crashed at 0.001 s: recv of [\d,]+ bytes from rank 3 will never end "
        r"\(on virtual rank \d of 4, at 0.001\d* s\)\n",
        err,
    )
