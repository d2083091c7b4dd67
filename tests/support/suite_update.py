"""What layers and updates sum over ranks: statistics, norms, skipped steps; and averages of weights."""

import math

import numpy as np
import pytest
from suite_training import config

from mpitrain.data import load
from mpitrain.engines.solo import SoloWorld
from mpitrain.training.summary import replicas_alike
from mpitrain.training.trainer import Trainer


@pytest.fixture(scope="module")
def fashion():
    return load("fashion")


@pytest.mark.parametrize("batch_norm", ["sync", "local"])
def test_batch_normalisation_over_all_ranks_is_one_ranks(world, batch_norm):
    """Over all ranks it is one rank's mathematics; within each, ranks differ until they evaluate, not after."""
    options = config(model="wav", channels=(4,), global_batch=32, batch_norm=batch_norm)
    data = load("vowels")
    trainer, reference = Trainer(world, options, data), Trainer(SoloWorld(), options, data)
    for _ in range(4):
        losses = trainer.step().loss, reference.step().loss
    alike = batch_norm == "sync" or world.size == 1
    assert (losses[0] == pytest.approx(losses[1], rel=1e-4)) == alike
    trainer.evaluate()
    assert replicas_alike(trainer)
    buffers = world.allgather(np.tile(trainer.replica.buffers, world.size)).reshape(world.size, -1)
    assert (buffers == trainer.replica.buffers).all()
    if alike:
        reference.evaluate()
        np.testing.assert_allclose(trainer.replica.buffers, reference.replica.buffers, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw", "lamb"])
def test_clipped_gradients_are_one_ranks(world, fashion, optimiser):
    """The norm is summed over the ranks' shares."""
    options = config(optimiser=optimiser, clip=0.5, lr=0.01)
    trainer, reference = Trainer(world, options, fashion), Trainer(SoloWorld(), options, fashion)
    for _ in range(5):
        np.testing.assert_allclose(trainer.step().loss, reference.step().loss, rtol=2e-4)
    assert replicas_alike(trainer)


def test_steps_that_overflow_are_skipped_by_all(world, fashion):
    """One rank's gradient is too large for float16: nobody moves, and the scale is halved; then all go on."""
    trainer = Trainer(world, config(precision="fp16"), fashion)
    trainer.step()
    before, scale, finish = trainer.values.copy(), trainer.update.scale, trainer.strategy.finish

    def overflowing():
        exchanged = finish()
        if world.rank == world.size - 1:
            trainer.strategy.gradients[0] = math.inf
        return exchanged

    trainer.strategy.finish = overflowing
    trainer.step()
    assert np.array_equal(trainer.values, before)
    assert (trainer.update.skipped, trainer.update.scale) == (1, scale / 2)
    trainer.strategy.finish = finish
    trainer.step()
    assert not np.array_equal(trainer.values, before)
    assert replicas_alike(trainer)


def test_averaged_weights_are_what_is_evaluated(world, fashion):
    trainer = Trainer(world, config(average=0.9), fashion)
    for _ in range(3):
        trainer.step()
    own, shown = trainer.values.copy(), trainer.weights()
    assert not np.array_equal(np.concatenate([shown[slot.name].ravel() for slot in trainer.layout.slots]), own)
    trainer.evaluate()
    assert np.array_equal(trainer.values, own)
