"""`bench step`: two sides in turns, numbers from rank 0 only. No test asserts a time."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mpitrain.cli.bench_step import MEASURED, TURN, in_turns, lasting
from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.training.trainer import Trainer


@pytest.mark.parametrize("ranks", [0, 2])
def test_numbers_on_file_and_one_table(mpitrain, tmp_path, ranks):
    code, out, err = mpitrain(
        "bench", "step", "--steps", 1, "--algorithm", "ring", "--json", "step.json", ranks=ranks, COLUMNS="120"
    )
    assert code == 0, err
    assert out.count("with exchange") == 1
    measured = json.loads((tmp_path / "step.json").read_text())
    assert measured["step_seconds"] > 0 and measured["step_seconds_alone"] > 0
    assert measured["ratio"] == measured["step_seconds"] / measured["step_seconds_alone"]
    found = {key: measured[key] for key in ("model", "batch", "algorithm", "ranks", "engine")}
    assert found == {
        "model": "mlp", "batch": 64, "algorithm": "ring", "ranks": ranks or 1, "engine": "shared" if ranks else "solo",
    }  # fmt: skip


def test_a_file_that_cannot_be_written_is_one_line_of_rank_0(mpitrain):
    code, out, err = mpitrain("bench", "step", "--model", "cnn", "--steps", 1, "--json", "no/step.json", ranks=2)
    assert code == 2
    assert (out + err).count("mpitrain: --json no/step.json: cannot be written: No such file or directory") == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("mlp", (784 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * 10),
        ("cnn", (9 + 1) * 32 + (9 * 32 + 1) * 64 + (7 * 7 * 64 + 1) * 128 + (128 + 1) * 10),
    ],
)
def test_the_networks_that_are_measured(model, parameters):
    assert Trainer(SoloWorld(), MEASURED[model].completed(), load("fashion")).layout.count == parameters


class SlowRank(SoloWorld):
    """A clock that only steps move, beside another rank that takes 7 seconds a step in all turns but one."""

    clock = 0.0

    def now(self):
        return self.clock

    def allreduce(self, buffer, op="sum", **options):
        assert op == "max"
        return np.maximum(buffer, [[7, 2], [1, 2], [7, 2]])


def test_turns_and_the_median_of_the_slowest_rank():
    """The first step of a turn is slow and not counted; 25 steps take three turns, after one that warms up."""
    world, calls = SlowRank(), []

    def side(name, seconds):
        def step():
            world.clock += seconds if calls[-1:] == [name] else 100
            calls.append(name)

        return step

    assert in_turns(world, 25, {"a": side("a", 5), "b": side("b", 3)}) == {"a": 7, "b": 3}
    assert calls == 4 * (["a"] * (TURN + 1) + ["b"] * (TURN + 1))


def test_epochs_last_as_long_as_all_turns():
    """A batch of all samples is one step an epoch."""
    options = replace(MEASURED["mlp"], global_batch=5000)
    assert lasting(options, 25).epochs >= 4 * (TURN + 1)
