"""Buckets on any world: they go out as soon as backward is past them."""

import numpy as np
import pytest

from mpitrain.models import mlp
from mpitrain.nn.layer import Call
from mpitrain.nn.layout import Layout
from mpitrain.parallel.data import DataParallel


class LoggingWorld:
    """Any world; writes down when its plans start."""

    def __init__(self, world):
        self._world, self.log, self.made = world, [], 0

    def __getattr__(self, name):
        return getattr(self._world, name)

    def plan(self, collective, buffer, **options):
        number, self.made = self.made, self.made + 1
        plan, log = self._world.plan(collective, buffer, **options), self.log
        start = plan.start

        def logged():
            log.append(f"bucket {number} goes out")
            return start()

        plan.start = logged
        return plan


def test_a_bucket_goes_out_while_backward_still_runs(world):
    world = LoggingWorld(world)
    model = mlp(6, 3, (5, 4))
    layout = Layout.of(model)
    strategy = DataParallel(world, layout, bucket_bytes=1)
    values = world.empty(layout.count)
    layout.bind(model, values, strategy.gradients)
    layout.initialise(values, seed=0)
    logits, context = model.forward(np.ones((2, 6), np.float32), Call(True))
    strategy.begin(1.5, 2)

    def finished(unit):
        world.log.append(f"{unit} is finished")
        strategy.finished(unit)

    model.backward(context, np.ones_like(logits), finished=finished, input_gradient=False)
    assert world.log == [
        "fc3 is finished", "bucket 0 goes out",
        "fc2 is finished", "bucket 1 goes out",
        "fc1 is finished", "bucket 2 goes out",
    ]  # fmt: skip
    exchanged = strategy.finish()
    size = world.size
    assert (exchanged.loss_sum, exchanged.score_sum, len(exchanged.events)) == (1.5 * size, 2 * size, 3)
    strategy.close()


def test_it_keeps_no_state(world):
    strategy = DataParallel(world, Layout.of(mlp(2, 2)))
    assert strategy.state() == {}
    strategy.load_state({})
    with pytest.raises(ValueError, match="data parallelism keeps no state: found error"):
        strategy.load_state({"error": np.ones(1)})
    strategy.close()
