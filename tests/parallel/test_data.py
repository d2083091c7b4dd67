"""Buckets: slices of one message that go out as soon as backward is past them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpitrain.engines.solo import SoloWorld
from mpitrain.models import mlp
from mpitrain.nn.layer import Call
from mpitrain.nn.layout import Layout
from mpitrain.parallel.data import HEADER, DataParallel, cut_buckets


@given(hidden=st.lists(st.integers(1, 40), max_size=6), bucket_bytes=st.integers(1, 20_000))
def test_buckets_are_whole_units_back_to_back(hidden, bucket_bytes):
    layout = Layout.of(mlp(20, 10, tuple(hidden)))
    buckets = cut_buckets(layout, bucket_bytes, 4)
    assert [0, *(b.stop for b in buckets)] == [*(b.start for b in buckets), HEADER + layout.count]
    for bucket in buckets:
        assert layout.units[bucket.last_unit].stop + HEADER == bucket.stop
    for bucket in buckets[:-1]:
        assert (bucket.stop - bucket.start) * 4 >= bucket_bytes
        before_last = HEADER + layout.units[bucket.last_unit].start
        assert before_last <= HEADER or (before_last - bucket.start) * 4 < bucket_bytes


class LoggingWorld(SoloWorld):
    """Writes down when plans start and are waited for."""

    def __init__(self):
        super().__init__()
        self.log, self.made = [], 0

    def plan(self, collective, buffer, **options):
        number, self.made = self.made, self.made + 1
        plan, log = super().plan(collective, buffer, **options), self.log
        start = plan.start

        def logged():
            log.append(f"bucket {number} goes out")
            return start()

        plan.start = logged
        return plan


def test_a_bucket_goes_out_while_backward_still_runs():
    world = LoggingWorld()
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
    assert (exchanged.loss_sum, exchanged.correct, len(exchanged.events)) == (1.5, 2, 3)


def test_it_keeps_no_state():
    strategy = DataParallel(SoloWorld(), Layout.of(mlp(2, 2)))
    assert strategy.state() == {}
    strategy.load_state({})
    with pytest.raises(ValueError, match="data parallelism keeps no state: found error"):
        strategy.load_state({"error": np.ones(1)})
