"""What a run leaves on disk: whole or not there, and refused in one line where it does not fit."""

import json
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpitrain.collectives.catalogue import ALLREDUCE, LIBRARY
from mpitrain.errors import UsageError
from mpitrain.models import MODELS
from mpitrain.training import checkpoint, run_folder
from mpitrain.training.checkpoint import Checkpoint
from mpitrain.training.config import Config
from mpitrain.training.run_folder import RunFolder, write_whole


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", b"old")

    def crash(descriptor):
        raise OSError("the machine goes down")

    monkeypatch.setattr(run_folder.os, "fsync", crash)
    with pytest.raises(UsageError, match=r"cannot write .*file: the machine goes down; make room, or use another"):
        write_whole(tmp_path / "file", b"new and longer")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_checkpoint_comes_back_bit_by_bit(tmp_path):
    state = {"values": np.array([1 / 3, np.pi], np.float32), "done": np.array(7), "empty": np.zeros(0)}
    checkpoint.write(tmp_path / "state" / "c", Checkpoint(state, 3, 2, "lr = 0.1\n"))
    found = checkpoint.read(tmp_path / "state" / "c", 3, "lr = 0.1\n")
    assert (found.ranks, found.blas_threads, found.state.keys()) == (3, 2, state.keys())
    for name, array in state.items():
        assert found.state[name].tobytes() == array.tobytes()
        assert found.state[name].dtype == array.dtype


def test_checkpoints_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "c"
    checkpoint.write(path, Checkpoint({"values": np.ones(9)}, 3, 1, "lr = 0.1\nseed = 3\n"))
    for ranks, configuration, fault in (
        (4, "lr = 0.1\nseed = 3\n", "--resume: the run had 3 ranks: expected as many now, found 4"),
        (3, "lr = 0.1\nseed = 4\n", "--resume: config.toml was changed since: expected seed = 3, found seed = 4"),
    ):
        with pytest.raises(UsageError) as failure:
            checkpoint.read(path, ranks, configuration)
        assert str(failure.value) == fault
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UsageError, match=r"--resume: .*c: not a checkpoint \(.*\); start the run anew"):
        checkpoint.read(path, 3, "")
    checkpoint.write_weights(path, {"fc1.weight": np.ones(3)})
    with pytest.raises(UsageError, match="not a checkpoint of mpitrain; start the run anew"):
        checkpoint.read(path, 3, "")
    with pytest.raises(UsageError, match=r"no such file: the run saved no state yet; start it anew"):
        checkpoint.read(tmp_path / "none", 3, "")


def test_a_folder_in_use_is_kept_from_others(tmp_path):
    config = replace(Config().completed(), run_dir=tmp_path)
    folder = RunFolder.create(config)
    with pytest.raises(UsageError, match="is still running: wait for its end, or end it first"):
        RunFolder(folder.path).lock()
    folder.close()
    other = RunFolder(folder.path)
    other.lock()
    other.close()


def test_a_file_system_without_locks_will_do(tmp_path, monkeypatch):
    def no_locks(descriptor, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_folder.fcntl, "flock", no_locks)
    folder = RunFolder.create(replace(Config().completed(), run_dir=tmp_path))
    assert folder.config.exists()
    folder.close()


def test_run_folders_of_one_second_get_names_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder.time, "strftime", lambda form: "20261123-152117")
    config = replace(Config().completed(), run_dir=tmp_path / "runs")
    folders = [RunFolder.create(config) for _ in range(3)]
    for folder in folders:
        folder.close()
    assert [folder.path.name for folder in folders] == [
        "20261123-152117-mlp",
        "20261123-152117-mlp-2",
        "20261123-152117-mlp-3",
    ]


def test_a_run_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as failure:
        RunFolder.create(replace(Config().completed(), run_dir=tmp_path / "file"))
    assert str(failure.value).startswith(f"--run-dir {tmp_path / 'file'}: cannot make ")
    assert str(failure.value).endswith(": Not a directory; name a folder you may write to")


def test_metrics_after_a_step_are_forgotten(tmp_path):
    folder = RunFolder(tmp_path)
    for number in (1, 2, 3):
        folder.log({"kind": "step", "step": number})
    folder.log({"kind": "epoch", "step": 3})
    folder.close()
    with folder.metrics.open("a") as file:
        file.write('{"kind": "step", "st')  # the job died here
    folder.forget_after(2)
    assert [json.loads(line)["step"] for line in folder.metrics.read_text().splitlines()] == [1, 2]


@given(name=st.text(st.characters(exclude_characters="/", exclude_categories=("Cs", "Cc")), min_size=3))
def test_a_configuration_survives_toml(name):
    config = replace(Config(hidden=(3, 4), lr=1e-7, nesterov=True, steps=9), name=name).completed()
    read = tomllib.loads(config.toml())
    assert (read["name"], read["hidden"], read["lr"], read["nesterov"], read["steps"]) == (name, [3, 4], 1e-7, True, 9)
    assert "global-batch" not in read


def test_the_choices_in_help_are_those_that_exist():
    annotations = Config.__dataclass_fields__
    assert annotations["model"].type.__args__ == tuple(MODELS)
    for name in (*ALLREDUCE, LIBRARY):
        Config(algorithm=name).completed()
