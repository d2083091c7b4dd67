"""The commands that need no MPI, and what a user can get wrong: one line, exit code 2."""

import subprocess
import sys
import tomllib
from dataclasses import fields

import pytest

from mpitrain.cli import main
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.models import MODELS
from mpitrain.training.config import Config
from mpitrain.training.option_types import option

CHOICES = ", ".join(f'"{name}"' for name in MODELS)
COMMANDS = "train, run, models, generate, prove, price, scale, draw, doctor, bench, tune, explain, calibrate"

ONE_LINE_FAULTS = {
    ("--bach", "3"): "Unknown option: --bach. Did you mean --batch?",
    ("--batch", "many"): 'Invalid value for --batch: expected a whole number, found "many"',
    ("--batch", "1.5"): 'Invalid value for --batch: expected a whole number, found "1.5"',
    ("--nesterov", "--momentum", "0"): "--nesterov: expected a --momentum above 0 with it, found 0",
    ("prove", "--algorithm", "wing"): (
        "no algorithm 'wing': expected swing, ring or another that `mpitrain prove` lists"
    ),
    ("prove", "-n", "1.5"): 'Invalid value for -n: expected a whole number, found "1.5"',
    ("--batch", "0"): "--batch 0: expected 1 or more",
    ("--hidden", "8", "0"): "--hidden 8 0: expected widths of 1 or more",
    ("--lr", "nan"): "--lr nan: expected a number above 0",
    ("--stall-warn", "0"): "--stall-warn 0.0: expected seconds, more than 0",
    ("--stall-abort", "-1"): "--stall-abort -1.0: expected seconds, more than 0",
    ("--momentum", "1"): "--momentum 1.0: expected 0 or more and less than 1",
    ("--algorithm", "segmented_ring(pieces=3)"): (
        "--algorithm segmented_ring(pieces=3): segmented_ring.allreduce has segments: found pieces=3"
    ),
    ("--algorithm", "rings"): (
        "--algorithm rings: expected ring, swing or another that `mpitrain prove allreduce` lists, library, or auto"
    ),
    ("--model", "rnn"): f'Invalid value "rnn" for --model. Choose from: {CHOICES}. Did you mean "cnn"?',
    ("--name", "a/b"): "--name a/b: expected a name without /",
    ("--config", "no.toml"): "--config no.toml: cannot read no.toml: No such file or directory",
    (
        "--resume",
        "no",
    ): "--resume no: expected the folder of a run: cannot read no/config.toml: No such file or directory",
    ("--data", "mnist"): "data mnist needs a folder of IDX files; name it with --data-dir",
    ("frobnicate",): f"unexpected 'frobnicate': expected a command first ({COMMANDS}), then options",
    ("prove", "allreduces"): (f"no collective 'allreduces': expected one of {', '.join(CATALOGUE)}"),
    ("prove", "bcast", "--algorithm", "ring"): (
        "no algorithm 'ring' for bcast: expected one that `mpitrain prove bcast` lists, or library"
    ),
    ("prove", "bcast", "--algorithm", "library"): (
        "library.bcast is opaque: its steps are the library's own, there is nothing to prove"
    ),
    ("price", "--nbytes", "1X"): "--nbytes 1X: expected a number of bytes such as 4096, 64K or 100M",
    ("price", "--alpha", "-1"): "--alpha -1.0: expected seconds, 0 or more",
    ("bench", "step", "--steps", "0"): "--steps 0: expected 1 or more",
    ("bench", "step", "--algorithm", "rings"): (
        "--algorithm rings: expected ring, swing or another that `mpitrain prove allreduce` lists, library, or auto"
    ),
    ("draw", "-n", "0"): "--ranks 0: expected 1 to 64",
    ("draw", "bcast", "--root", "4", "-n", "4"): "binomial_tree.bcast at size 4: root 4 is not a rank",
}


@pytest.fixture
def here(tmp_path, monkeypatch, capsys):
    """Runs a command in this process, in an empty folder; gives (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as ending:
            main(list(arguments))
        return ending.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("arguments", ONE_LINE_FAULTS, ids=" ".join)
def test_faults_are_one_line(here, arguments):
    assert here(*arguments) == (2, "", f"mpitrain: {ONE_LINE_FAULTS[arguments]}\n")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("epoch = 3", "run.toml: unknown key 'epoch': expected some of algorithm, average, batch, batch-norm, "),
        ('epochs = "x"', "run.toml: epochs = 'x': expected a whole number"),
        ("epochs = 2.5", "run.toml: epochs = 2.5: expected a whole number"),
        ("epochs = true", "run.toml: epochs = True: expected a whole number"),
        ("hidden = [1.5]", "run.toml: hidden = [1.5]: expected a list of whole numbers"),
        ("hidden = 8", "run.toml: hidden = 8: expected a list of whole numbers"),
        ('lr = "0.1"', "run.toml: lr = '0.1': expected a number"),
        ("nesterov = 1", "run.toml: nesterov = 1: expected true or false"),
        ("name = 5", "run.toml: name = 5: expected text"),
        ("epochs = -1", "--epochs -1: expected 1 or more"),
        ("epochs = ", "--config run.toml: run.toml is not TOML: Invalid value (at end of document)"),
    ],
)
def test_faults_in_a_file_are_one_line(here, tmp_path, content, fault):
    (tmp_path / "run.toml").write_text(content)
    code, out, err = here("--config", "run.toml")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"mpitrain: {fault}")


def test_help_names_every_option_and_its_default(mpitrain):
    code, out, _ = mpitrain("train", "--help", COLUMNS="200")
    assert code == 0
    for field in fields(Config):
        assert option(field.name) in out
    for default in ("[default: mlp]", "[default: 0.9]", "[default: 1048576]", "[default: runs]"):
        assert default in out


def test_the_command_line_wins_over_the_file_and_the_file_over_defaults(mpitrain, tmp_path):
    (tmp_path / "run.toml").write_text("epochs = 1\nbatch = 500\nhidden = [6]\nseed = 7\n")
    code, _, err = mpitrain("--config", "run.toml", "--seed", 8, "--steps", 1, "--progress", "plain")
    assert (code, err) == (0, "")
    (run,) = (tmp_path / "runs").iterdir()
    written = tomllib.loads((run / "config.toml").read_text())
    assert (written["epochs"], written["batch"], written["hidden"], written["seed"]) == (1, 500, [6], 8)
    assert written["momentum"] == 0.9
    assert written.keys() == {option(f.name)[2:] for f in fields(Config)} - {
        "channels", "clip", "data-dir", "global-batch", "network", "sequence", "stall-abort", "trace", "tuning",
        "virtual",
    }  # fmt: skip


def test_a_written_configuration_runs_the_same_again(mpitrain, tmp_path):
    options = ("--epochs", 1, "--batch", 500, "--hidden", 6, "--run-dir", "a", "--name", 'it"s', "--nesterov")
    assert mpitrain(*options)[0] == 0
    (first,) = (tmp_path / "a").iterdir()
    assert mpitrain("--config", first / "config.toml", "--run-dir", "b")[0] == 0
    (second,) = (tmp_path / "b").iterdir()
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told", "times"),
    [
        (("--algorithm", "torus(rows=2)", "-n", "5"), "torus(rows=2).allreduce            proved at sizes 2, 4 (", 1),
        (("--algorithm", "hierarchical(ranks_per_node=3+1)", "-n", "6"), " proved at sizes 4 (", 3),
        (
            ("allreduce", "--algorithm", "torus(rows=7)", "-n", "6"),
            "mpitrain: torus: rows=7 at size 6: expected a divisor\n", 1,
        ),
    ],
)  # fmt: skip
def test_parameters_are_proved_at_the_sizes_they_are_made_for(arguments, told, times, capsys):
    with pytest.raises(SystemExit):
        main(["prove", *arguments])
    assert "".join(capsys.readouterr()).count(told) == times


def test_prove_and_price_and_draw(mpitrain):
    code, out, err = mpitrain("prove", "--ranks", 5)
    assert (code, err) == (0, "")
    assert out.count(" proved at sizes 1-5") == sum(map(len, CATALOGUE.values()))
    code, out, err = mpitrain("price", "-n", 8, "--nbytes", 8, "--alpha", 1, "--beta", 0, "--gamma", 0, COLUMNS="100")
    assert (code, err) == (0, "")
    assert "14,000,000" in next(line for line in out.splitlines() if " ring " in line)
    code, out, err = mpitrain("draw", "allgather", "--algorithm", "ring", "-n", 2)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].split() == ["1", "0→1", "1←1", "1→0", "0←0"]


def test_import_starts_no_mpi_and_loads_little():
    code = "import sys, mpitrain; print([m for m in ('mpi4py', 'numpy', 'rich', 'cyclopts') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_proving_needs_neither_mpi_nor_numpy():
    code = (
        "import sys, mpitrain; from mpitrain.collectives import ring; "
        "print(mpitrain.prove(ring.allreduce.schedule(4)).alike, "
        "[m for m in ('mpi4py', 'numpy') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True []\n"
