"""`mpitrain scale`: what it prints and writes, and what a user can get wrong: one line, exit code 2."""

import json
import subprocess
import sys

import pytest

from mpitrain.cli import main

MODELS = '"resnet50", "resnet101", "inception3", "vgg16", "gpt2"'

FAULTS = {
    ("--model", "resnet"): f'Invalid value "resnet" for --model. Choose from: {MODELS}. Did you mean "resnet50"?',
    ("--network", "mesh"): (
        "--network mesh: expected a TOML file, or one of cluster, ethernet, fat_tree, flat, horovod, torus"
    ),
    ("--ranks", "few"): "--ranks few: expected a number, or a range such as 1..4096",
    ("--ranks", "1.."): "--ranks 1..: expected a number, or a range such as 1..4096",
    ("--ranks", "8", "0"): "--ranks 0: expected 1 to 65536",
    ("--ranks", "9..8"): "--ranks 9..8: expected 1 to 65536",
    ("--ranks", "1..70000"): "--ranks 1..70000: expected 1 to 65536",
    ("--network", "torus", "--ranks", "1..128"): "--ranks 1..128: expected 1 to 64",
    ("--batch", "0"): "--batch 0: expected 1 or more",
    ("--batch", "1.5"): 'Invalid value for --batch: expected a whole number, found "1.5"',
    ("--speed", "0"): "--speed 0.0: expected a number above 0",
    ("--samples", "nan", "--model", "vgg16"): "--samples nan: expected a number above 0",
    ("--samples", "5"): "--samples 5.0: expected one --model with it, found 5",
    ("--samples", "5", "--speed", "5", "--model", "vgg16"): "--speed and --samples: expected one of them",
    ("--bucket-bytes", "0"): "--bucket-bytes 0: expected a number of bytes such as 4096, 64K or 100M",
    ("--bucket-bytes", "1X"): "--bucket-bytes 1X: expected a number of bytes such as 4096, 64K or 100M",
    ("--cycle", "-1"): "--cycle -1.0: expected seconds, 0 or more",
    ("--cycle", "inf"): "--cycle inf: expected seconds, 0 or more",
    ("--algorithm", "library"): "--algorithm library: its steps are the library's own, there is nothing to price",
    ("--algorithm", "torus(rows=5)", "--ranks", "16", "--network", "flat"): (
        "torus: rows=5 at size 16: expected a divisor"
    ),
    ("--plot", "scale.txt"): "--plot scale.txt: expected a file of one of the kinds .svg, .png, .pdf",
    ("--json", "no/scale.json", "--ranks", "1"): "--json no/scale.json: cannot be written: No such file or directory",
}


@pytest.fixture
def scale(tmp_path, monkeypatch, capsys):
    """Runs the command in this process, in an empty folder; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        with pytest.raises(SystemExit) as ending:
            main(["scale", *map(str, arguments)])
        return ending.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("arguments", FAULTS, ids=" ".join)
def test_faults_are_one_line(scale, arguments):
    code, _, err = scale(*arguments)
    assert (code, err) == (2, f"mpitrain: {FAULTS[arguments]}\n")


def test_an_algorithm_that_there_is_not(scale):
    code, out, err = scale("--algorithm", "rings")
    assert (code, out, err) == (
        2,
        "",
        "mpitrain: --algorithm rings: no algorithm 'rings' for allreduce: expected ring, swing or another that "
        "`mpitrain prove allreduce` lists, or library\n",
    )


def test_the_table_of_a_network_worked_out_by_hand(scale, tmp_path):
    """64 images a second are a second a step. Two ranks exchange 553,430,176 bytes in one bucket that is full when
    computing ends: 2 (0.001 + n / 2 / 10^9) = 0.555 s; four: 6 (0.001 + n / 4 / 10^9) = 0.836 s."""
    (tmp_path / "net.toml").write_text("alpha = 0.001\nbeta = 1e-9\ngamma = 0\n")
    code, out, err = scale(
        "--model", "vgg16", "--network", "net.toml", "--ranks", "4", "1..2", "--samples", 64, "--bucket-bytes", "1G"
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["net:", "flat,", "1000", "us", "and", "1", "GB/s"]
    assert "\nvgg16: 64 a rank at 64/s (5.93 Tflop/s), 553 MB of gradients\n" in out
    assert ["ranks", "step", "ms", "compute", "exposed", "samples/s", "efficiency", "overlap", "algorithm"] in lines
    assert ["1", "1,000.0", "1,000.0", "0.0", "64", "100.0", "%", "100.0", "%"] in lines
    assert ["2", "1,555.4", "1,000.0", "555.4", "82", "64.3", "%", "64.3", "%", "ring"] in lines
    assert ["4", "1,836.1", "1,000.0", "836.1", "139", "54.5", "%", "54.5", "%", "ring"] in lines
    assert "Horovod" not in out and "- no rank is ever late" in out
    assert max(map(len, out.splitlines()[:8])) <= 80


def test_on_horovods_machine_published_figures_stand_beside_ours(scale):
    code, out, err = scale("--model", "vgg16", "inception3", "--ranks", 512)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["512", "vgg16", "68", "%", "83.3", "%", "+15.3", "53.6", "%", "-14.4"] in lines
    assert ["512", "inception3", "90", "%", "94.2", "%", "+4.2", "84.7", "%", "-5.3"] in lines
    assert "- buckets of 64 MiB (Horovod, docs/tensor-fusion)" in out
    assert out.count("\n- ") == 16


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (("--cycle", "0.02"), {"which go out when full"}),
        (("--algorithm", "ring", "--bucket-bytes", "1M"), {"buckets of 64 MiB"}),
        (("--speed", "1e12", "--batch", "8"), {"alone a GPU does", "it reaches", "64 images", "8 sequences"}),
    ],
)
def test_what_an_option_decides_is_no_longer_assumed(scale, options, gone):
    usual, out = (scale("--model", "vgg16", "--ranks", 1, *more)[1] for more in ((), options))
    left = set(usual.splitlines()) - set(out.splitlines())
    assert {line for line in left if line.startswith("- ")} == {
        line for line in usual.splitlines() if line.startswith(tuple(f"- {start}" for start in gone))
    }


def test_a_range_doubles_and_ends_with_its_end(scale):
    out = scale("--model", "vgg16", "--network", "flat", "--ranks", "3..20", "7,1")[1]
    assert [int(line.split()[0]) for line in out.splitlines() if line[:6].strip().isdigit()] == [1, 3, 6, 7, 12, 20]


def test_what_the_file_says_of_trouble_is_told_not_to_count(scale, tmp_path):
    (tmp_path / "net.toml").write_text("alpha = 0\nbeta = 0\ngamma = 0\nspeeds = { 1 = 0.5 }\n")
    out = scale("--model", "vgg16", "--network", "net.toml", "--ranks", 2)[1]
    assert "- speeds, stragglers and faults in the network's file do nothing here (not modelled)" in out


def test_all_numbers_are_written(scale, tmp_path):
    assert scale("--model", "resnet101", "--ranks", "1,512", "--json", "scale.json")[0] == 0
    written = json.loads((tmp_path / "scale.json").read_text())
    one, many = written["models"]["resnet101"]
    assert (one["ranks"], one["efficiency"], one["exposed_s"]) == (1, 1, 0)
    assert many["computing_s"] == pytest.approx(64 / 119.4)
    assert many["step_s"] == pytest.approx(many["computing_s"] + many["exposed_s"])
    assert many["efficiency"] == pytest.approx(many["computing_s"] / many["step_s"])
    assert many["samples_a_second"] == pytest.approx(512 * 64 / many["step_s"])
    assert [(found["ranks"], found["published"]) for found in written["published"]][1:] == [(128, 0.9), (512, 0.9)]
    assert ["buckets of 64 MiB", "Horovod, docs/tensor-fusion"] in written["assumptions"]


def test_the_cheapest_algorithm_is_named(scale):
    out = scale("--model", "resnet50", "--network", "flat", "--ranks", 4096, "--algorithm", "auto")[1]
    (line,) = [line for line in out.splitlines() if line.startswith("  4096")]
    assert line.split()[-1] == "halving_doubling"


def test_a_bound_is_marked_as_one(scale):
    told = "- ≤: at most so long, as if all who can share a link always did (analysis/estimate)"
    shared = scale("--model", "resnet50", "--ranks", 16, "--algorithm", "swing")[1]
    assert "% ≤ swing" in shared and told in shared
    flat = scale("--model", "resnet50", "--ranks", 16, "--algorithm", "swing", "--network", "flat")[1]
    assert "% swing" in flat and told not in flat


@pytest.mark.parametrize("network", ["horovod", "flat"])
def test_the_picture_names_what_is_drawn(scale, tmp_path, network):
    pytest.importorskip("matplotlib")
    code, _, err = scale("--model", "vgg16", "--network", network, "--ranks", "1..64", "--plot", "scale.svg")
    assert (code, err) == (0, "")
    picture = (tmp_path / "scale.svg").read_text()
    texts = ["How far training scales", "vgg16", "without overlap", "published by Horovod"]
    assert [text in picture for text in texts] == [True, True, True, network == "horovod"]


def test_importing_the_command_loads_neither_matplotlib_nor_mpi():
    code = "import sys, mpitrain.cli.scale; print([m for m in ('mpi4py.MPI', 'matplotlib') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
