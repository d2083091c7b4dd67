"""Whole jobs under the launcher, watched from outside: who speaks, and what is on disk."""

import json
import os
import signal

import pytest
from watching import wait_until

from mpitrain.launcher import survey

QUICK = ("--epochs", "1", "--batch", "100", "--hidden", "8", "--progress", "plain")


def runs_of(folder):
    return sorted((folder / "runs").iterdir())


def test_rank_0_alone_speaks_and_writes_a_whole_run(mpitrain, tmp_path):
    code, out, err = mpitrain(*QUICK, ranks=3)
    assert code == 0, err
    assert out.count("epoch 1/1") == 1
    assert out.count("held-out accuracy │") == 1
    (run,) = runs_of(tmp_path)
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert files - {"curves.svg"} == {
        "config.toml", "metrics.jsonl", "weights.safetensors", "state/checkpoint.safetensors", "summary.json",
    }  # fmt: skip
    summary = json.loads((run / "summary.json").read_text())
    assert {"test_accuracy", "train_loss", "samples_per_second", "step_seconds", "communication_share"} < summary.keys()
    assert (summary["ranks"], summary["engine"], summary["steps"]) == (3, "shared", 17)
    assert len(summary["parameters_sha256"]) == 64
    assert summary["replicas_alike"] is True
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["step"] * 17 + ["epoch"]
    assert sum(line["samples"] for line in lines[:-1]) == 5000


def test_a_wrong_option_is_one_line_of_rank_0(mpitrain):
    code, out, err = mpitrain("--batch", "0", ranks=3)
    assert code == 2
    assert (out + err).count("mpitrain: --batch 0: expected 1 or more") == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize("command", [("--steps", 2), ("bench", "step", "--steps", 1)], ids=["train", "bench"])
def test_an_algorithm_that_does_not_fit_the_ranks_is_one_line_of_rank_0(mpitrain, tmp_path, command):
    code, out, err = mpitrain(*command, "--algorithm", "hierarchical(ranks_per_node=3+3)", ranks=2)
    assert code == 2
    fault = "mpitrain: --algorithm hierarchical(ranks_per_node=3+3): ranks_per_node=3+3 at size 2: expected 1 or more, "
    assert (out + err).count(f"{fault}2 in all\n") == (out + err).count("mpitrain: ") == 1
    assert "Traceback" not in out + err
    assert not list(tmp_path.glob("runs/*"))


def test_a_truncated_file_is_one_line_of_rank_0(mpitrain, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(bytes.fromhex("00000803 0000000a 0000001c 0000001c") + bytes(99))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(bytes.fromhex("00000801 0000000a") + bytes(10))
    code, out, err = mpitrain("--data", "mnist", "--data-dir", ".", ranks=3)
    assert code == 2
    fault = "mpitrain: train-images-idx3-ubyte: truncated, 115 bytes where 10 x 28 x 28 elements of uint8 make 7856"
    assert (out + err).count(fault) == 1
    assert "Traceback" not in out + err


def test_a_learning_rate_that_is_too_high_ends_in_one_line(mpitrain, tmp_path):
    code, out, err = mpitrain("--lr", "1e30", "--hidden", "8", "--batch", "100", "--progress", "plain", ranks=2)
    assert code == 1
    line = next(line for line in (out + err).splitlines() if line.startswith("mpitrain: step "))
    assert "; the last finite step is " in line
    assert line.endswith("try a smaller --lr, or more --warmup-steps")
    assert "Traceback" not in out + err
    assert "Warning" not in out + err


def test_another_mpis_launcher_is_named(launch):
    """As MPICH's mpiexec would start us, with Open MPI's library: each process alone, believing it is rank 0 of 1."""
    if survey(os.environ).launcher is None or survey(os.environ).launcher.family != "openmpi":
        pytest.skip("MPICH's library understands MPICH's launcher")
    process = launch(0, "-m", "mpitrain", *QUICK, PMI_RANK="0", PMI_SIZE="4")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.splitlines()[-1] == (
        "mpitrain: a launcher like MPICH's mpiexec started 4 processes, but in each of them Open MPI sees only itself "
        "(rank 0 of 1): launch with Open MPI's own mpirun, or with `mpitrain run -n 4`, which finds the right one"
    )
    process = launch(0, "-m", "mpitrain", *QUICK, PMI_RANK="2", PMI_SIZE="4")
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == 2


def test_mpitrain_run_finds_the_launcher(mpitrain):
    code, out, err = mpitrain("run", "-n", "2", *QUICK)
    assert code == 0, err
    assert "ranks             │ 2, global batch 200" in out


def test_a_fault_that_one_rank_sees_is_told_once_and_ends_all(launch, tmp_path):
    """Rank 1 finds another working directory, without the file; the others would wait for it."""
    (tmp_path / "run.toml").write_text("epochs = 1\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "start.py").write_text(
        "import os\nfrom mpitrain.cli import main\n"
        "os.environ['OMPI_COMM_WORLD_RANK'] == '1' and os.chdir('elsewhere')\n"
        "main(['--config', 'run.toml', '--hidden', '8', '--progress', 'plain'])\n"
    )
    process = launch(3, "start.py")
    out, err = process.communicate(timeout=60)
    told = out + err
    if "KeyError" in told:
        pytest.skip("tells ranks apart by a variable of Open MPI's")
    assert process.returncode == 2
    fault = "mpitrain: --config run.toml: cannot read run.toml: No such file or directory (on rank 1 of 3)"
    assert told.count("cannot read run.toml") == told.count(fault) == 1


def test_a_rank_alone_may_not_pretend_to_be_the_world(mpitrain, tmp_path):
    code, out, err = mpitrain("--engine", "solo", *QUICK, ranks=2)
    assert code == 2
    assert (out + err).count("mpitrain: engine solo is for one process: expected no launcher, found that ") == 1
    assert not (tmp_path / "runs").exists()


def test_commands_without_mpi_speak_once_under_a_launcher(mpitrain):
    code, out, _ = mpitrain("--version", ranks=3)
    assert (code, out.split()) == (0, ["0.1.0"])


def test_a_run_that_goes_on_cannot_be_resumed(launch, mpitrain, tmp_path):
    process = launch(0, "-m", "mpitrain", "--epochs", "2000", "--progress", "plain", "--hidden", "8", "--batch", "500")
    assert wait_until(lambda: any(tmp_path.glob("runs/*/state/*.safetensors")), 30)
    (run,) = runs_of(tmp_path)
    code, out, err = mpitrain("--resume", run)
    assert (code, out) == (2, "")
    assert err == f"mpitrain: --resume: {run} is still running: wait for its end, or end it first\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.startswith("mpitrain: interrupted after step ")
    assert "; go on with --resume runs/" in err
