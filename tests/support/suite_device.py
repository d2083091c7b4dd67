"""The path of a device through the trainer, on the emulated one: what the CPU computes, to float32 rounding."""

from contextlib import contextmanager

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.device import find
from mpitrain.engines.solo import SoloWorld
from mpitrain.engines.transport import reach_devices
from mpitrain.models.recipe import SIZES, Size
from mpitrain.training.config import Config
from mpitrain.training.summary import replicas_alike
from mpitrain.training.trainer import Trainer

STEPS = 3
SMALL = {
    "mlp": {"hidden": (32,), "global_batch": 61},
    "cnn": {"channels": (2, 3), "hidden": (8,), "global_batch": 9},
    "gpt": {"sequence": 8, "global_batch": 9},
    "wav": {"channels": (4, 5), "global_batch": 9},
    "dlrm": {"hidden": (8,), "global_batch": 61},
}


@pytest.fixture(scope="module", autouse=True)
def a_small_gpt():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SIZES, "nano", Size(layers=2, width=16, heads=2, sequence=8))
        yield


@contextmanager
def device_trainer(world, **options):
    """A trainer on the emulated device."""
    config, device = Config(**options, device="emulated").completed(), find("emulated")
    with reach_devices(world, device) as reaching:
        trainer = Trainer(reaching, config, loaded(config), device)
        yield trainer
        trainer.close()


def loaded(config):
    return load(config.recipe.data, sequence=config.recipe.gpt_size.sequence)


@pytest.mark.parametrize("model", SMALL)
def test_a_device_trains_as_the_cpu_does(world, model):
    config = Config(model=model, **SMALL[model]).completed()
    on_cpu = Trainer(SoloWorld(), config, loaded(config))
    with device_trainer(world, model=model, **SMALL[model]) as trainer:
        for _ in range(STEPS):
            np.testing.assert_allclose(trainer.step().loss, on_cpu.step().loss, rtol=2e-4)
        assert replicas_alike(trainer)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precisions_come_close(world, precision):
    options = {"hidden": (32,), "global_batch": 61}
    on_cpu = Trainer(SoloWorld(), Config(**options).completed(), load("fashion"))
    with device_trainer(world, precision=precision, **options) as trainer:
        for _ in range(STEPS):
            np.testing.assert_allclose(trainer.step().loss, on_cpu.step().loss, rtol=0.02)
        assert replicas_alike(trainer)


@pytest.mark.parametrize("model", ["mlp", "gpt", "dlrm"])
def test_a_graph_is_the_pass_that_it_records(world, model):
    """Three batches of an epoch: run, recorded, launched again; then its last, smaller one."""
    options = SMALL[model] | {"global_batch": 9}
    with (
        device_trainer(world, model=model, **options) as plain,
        device_trainer(world, model=model, graphs=True, **options) as graphed,
    ):
        for _ in range(4):
            assert graphed.step().loss == plain.step().loss
        np.testing.assert_array_equal(graphed.values.get(), plain.values.get())
