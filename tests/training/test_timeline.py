"""Where the time goes, on a step worked out by hand."""

import numpy as np
import pytest

from mpitrain.engines.solo import SoloWorld
from mpitrain.parallel.data import Exchanged
from mpitrain.training.timeline import Timeline, divide_time
from mpitrain.training.trainer import StepDone


def step(begun, arrived, exchanged, ended, overlapped=0.0):
    return StepDone(1, 1, 0.5, 1, 2, 0.1, begun, ended, Exchanged(1.0, 1, (), overlapped, arrived, exchanged))


def test_a_rank_waits_from_its_arrival_to_the_last_ones():
    """Backward until 3, half a second of it in calls to move buckets; last rank at 5, exchanged at 6, update to 7."""
    shares = divide_time([step(0.0, 3.0, 6.0, 7.0, overlapped=0.5)], np.array([5.0]))
    assert shares == pytest.approx((3.5, 1.5, 2.0))


def test_the_last_rank_waits_for_nobody():
    assert divide_time([step(0.0, 5.0, 6.0, 7.0)], np.array([5.0])) == pytest.approx((6.0, 1.0, 0.0))


def test_an_exchange_that_ended_before_the_last_arrival_was_all_waiting():
    """A rank may be done before the last has arrived, if it needed nothing of it (a clock may be off a little, too)."""
    assert divide_time([step(0.0, 3.0, 4.0, 5.0)], np.array([9.0])) == pytest.approx((4.0, 0.0, 1.0))


def test_totals_add_up_over_epochs():
    timeline = Timeline(SoloWorld())
    assert timeline.resolve().communication_share == 0.0
    timeline.add(step(0.0, 3.0, 6.0, 7.0))
    assert timeline.resolve().communicating == 3.0
    timeline.add(step(10.0, 13.0, 14.0, 15.0))
    assert timeline.resolve().communicating == 1.0
    assert (timeline.total.computing, timeline.total.communicating) == (8.0, 4.0)
    assert timeline.total.communication_share == pytest.approx(4 / 12)
    assert timeline.step_seconds == [7.0, 5.0]
