"""The learning rate as a function of the step."""

import pytest

from mpitrain.optim import linear_decay, scaled


def test_the_rate_grows_with_the_batch():
    assert scaled(0.1, 256) == pytest.approx(0.1)
    assert scaled(0.1, 32) == pytest.approx(0.1 / 8)
    assert scaled(0.1, 8192) == pytest.approx(3.2)
    assert scaled(0.1, 100, base=50) == pytest.approx(0.2)


def test_decay_is_a_line_that_ends_one_step_short_of_zero():
    assert [linear_decay(1.0, step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_warm_up_climbs_to_the_rate_and_the_decay_starts_after_it():
    rates = [linear_decay(1.0, step, steps=8, warmup=4) for step in range(8)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]


def test_nothing_but_warm_up():
    assert [linear_decay(1.0, step, steps=2, warmup=2) for step in range(2)] == [0.5, 1.0]
