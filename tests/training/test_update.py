"""How the trainer sets up its optimiser."""

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.training.config import Config
from mpitrain.training.trainer import Trainer


@pytest.mark.parametrize(("optimiser", "trust"), [("lars", 0.001), ("lamb", 1)])
def test_each_layer_has_a_rate_of_its_own(optimiser, trust):
    """You et al. 2017 and 2020: without decay a first move is `lr * trust` times as long as the layer's weights."""
    config = Config(hidden=(8,), optimiser=optimiser, weight_decay=0.0, schedule="constant").completed()
    trainer = Trainer(SoloWorld(), config, load("fashion"))
    before = trainer.values.copy()
    lr = trainer.step().lr
    weights, moves = trainer.layout.named(before), trainer.layout.named(trainer.values - before)
    for name in ("fc1.weight", "fc2.weight"):
        expected = lr * trust * np.linalg.norm(weights[name])
        assert np.linalg.norm(moves[name]) == pytest.approx(expected, rel=1e-3)
