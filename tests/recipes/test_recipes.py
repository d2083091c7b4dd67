"""What the recipes promise, seen by training as a user would: some minutes on two cores."""

import json
import math
import subprocess
import sys
from collections import Counter

import pytest

from mpitrain.data import load

RANKS = (1, 4)


@pytest.fixture
def trained(tmp_path):
    """Trains on so many ranks with these options; gives the summary."""

    def train(ranks, *options):
        command = [sys.executable, "-m", "mpitrain", "run", "-n", str(ranks), *options, "--run-dir", tmp_path]
        subprocess.run(command, check=True, timeout=600, cwd=tmp_path)
        (run,) = tmp_path.iterdir()
        return json.loads((run / "summary.json").read_text())

    return train


@pytest.mark.parametrize("ranks", RANKS)
def test_cnn_sees_what_people_wear(trained, ranks):
    summary = trained(ranks, "--model", "cnn", "--global-batch", "128", "--epochs", "20")
    assert summary["test_accuracy"] >= 0.86


@pytest.mark.parametrize("ranks", RANKS)
def test_drive_steers_much_better_than_straight_on_average(trained, ranks):
    """The deviation of the angles is the RMSE of who always takes their mean."""
    deviation = load("road").test_batch(slice(None))[1].std()
    assert trained(ranks, "--model", "drive")["test_rmse"] < 0.4 * deviation


@pytest.mark.parametrize("ranks", RANKS)
def test_gpt_expects_text_better_than_counts_of_four_bytes_do(trained, ranks):
    summary = trained(ranks, "--model", "gpt")
    assert summary["test_loss"] < order_3_loss()


def order_3_loss():
    """Nats a byte of the held-out text, each byte expected from the three before it.

    By counts over the training text, of which longer contexts are mixed with shorter ones as in Witten and Bell (1991),
    method C: a context seen n times with u different successors leaves u / (n + u) to the one a byte shorter.
    """
    data = load("topics")
    text, held_out = (b"".join(bytes(window) for window in part.tolist()) for part in training_and_held_out(data))
    successors = {}
    for order in range(4):
        for end in range(order, len(text)):
            successors.setdefault(text[end - order : end], Counter())[text[end]] += 1
    loss = 0.0
    for end in range(3, len(held_out)):
        probability = 1 / 256
        for order in range(4):
            seen = successors.get(held_out[end - order : end])
            if seen is None:
                break
            kinds = len(seen)
            probability = (seen[held_out[end]] + kinds * probability) / (seen.total() + kinds)
        loss -= math.log(probability)
    return loss / (len(held_out) - 3)


def training_and_held_out(data):
    """Inputs, windows that follow each other without gaps."""
    return data.batch(slice(None))[0], data.test_batch(slice(None))[0]
