"""Training on the emulated device, on real ranks."""

import numpy as np
import pytest
from suite_device import *  # noqa: F403
from suite_device import SMALL, STEPS, device_trainer

from mpitrain.engines.device_work import DeviceWork

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_training_waits_for_what_it_uses(world, precision, monkeypatch):
    """A device may do what it was given as late as the wait for it: then sums are as wrong as can be before."""
    options = {"model": "mlp", "precision": precision, "bucket_bytes": 512, **SMALL["mlp"]}
    with device_trainer(world, **options) as at_once:
        losses = [at_once.step().loss for _ in range(STEPS)]
        values = at_once.values.get()
    monkeypatch.setattr(DeviceWork, "wait_and_move", DeviceWork.begin)
    monkeypatch.setattr(DeviceWork, "begin", lambda work: None)
    with device_trainer(world, **options) as late:
        assert [late.step().loss for _ in range(STEPS)] == losses
        np.testing.assert_array_equal(late.values.get(), values)
