"""What stops a training, and what does not."""

import math
import threading
import time

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.errors import Diverged, UsageError
from mpitrain.training.config import Config
from mpitrain.training.loop import train
from mpitrain.training.trainer import Trainer


@pytest.fixture
def step_with():
    """A step whose last gradient is this number; gives the trainer."""

    def step(number):
        trainer = Trainer(SoloWorld(), Config(hidden=(4,)).completed(), load("fashion"))
        finish = trainer.strategy.finish

        def with_that_gradient():
            trainer.strategy.gradients[-1] = number
            return finish()

        trainer.strategy.finish = with_that_gradient
        trainer.step()
        return trainer

    return step


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_no_number_stops_the_training(step_with, number):
    with pytest.raises(Diverged) as failure:
        step_with(number)
    assert str(failure.value).startswith("step 1: the gradient is not finite; no step was finite")


@pytest.mark.parametrize("number", [1e25, -1e38])
def test_a_gradient_whose_square_is_none_does_not(step_with, number):
    """The largest float32 is 3.4e38; one step down it, at the first learning rate, is a number still."""
    trainer = step_with(number)
    assert trainer.done == 1
    assert trainer.values[-1] == pytest.approx(-number * trainer.rate, rel=1e-5)
    assert np.isfinite(trainer.values).all()


class Slow:
    """Streamed data that take their time; from the third read on they fail, or are no numbers."""

    streamed = True

    def __init__(self, dataset, failing):
        self.dataset, self.failing, self.reads = dataset, failing, 0

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def batch(self, indices):
        self.reads += 1
        time.sleep(0.1)
        images, labels = self.dataset.batch(indices)
        if self.reads >= 3 and self.failing:
            raise UsageError("file x: it has become shorter")
        return images * (math.nan if self.reads >= 3 else 1), labels


@pytest.mark.parametrize(
    ("failing", "reads", "error"),
    [(True, 3, "^file x: it has become shorter$"), (False, 4, "^step 3: the loss is nan")],
)
def test_nothing_is_being_read_after_a_run_that_fails(monkeypatch, tmp_path, failing, reads, error):
    data, before = Slow(load("fashion"), failing), threading.active_count()
    monkeypatch.setattr("mpitrain.training.loop.load", lambda *arguments, **options: data)
    with pytest.raises((UsageError, Diverged), match=error):
        train(SoloWorld(), Config(hidden=(4,), progress="plain", run_dir=tmp_path).completed())
    assert data.reads == reads and threading.active_count() == before
