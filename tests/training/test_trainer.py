"""What stops a training, and what does not."""

import math

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.errors import Diverged
from mpitrain.training.config import Config
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
