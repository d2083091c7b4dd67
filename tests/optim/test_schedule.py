"""The learning rate as a function of the step."""

import pytest

from mpitrain.optim import SCHEDULES, linear_decay, scaled
from mpitrain.optim.schedule import constant, cosine_decay, polynomial_decay, scaled_by_root, step_decay


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


def test_the_root_keeps_the_variance_of_a_step():
    assert scaled_by_root(0.1, 256) == pytest.approx(0.1)
    assert scaled_by_root(0.1, 1024) == pytest.approx(0.2)
    assert scaled_by_root(0.1, 200, base=50) == pytest.approx(0.2)


@pytest.mark.parametrize("name", SCHEDULES)
def test_all_climb_alike_to_the_rate(name):
    """The peak comes with the last step of warm-up, and again with the first after it."""
    rates = [SCHEDULES[name](2.0, step, steps=100, warmup=4) for step in range(5)]
    assert rates == [0.5, 1.0, 1.5, 2.0, 2.0]


def test_steps_down_at_shares_of_the_run():
    rates = [step_decay(1.0, step, 8, falls=(0.25, 0.5), factor=0.5) for step in range(8)]
    assert rates == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert [step_decay(1.0, step, 40) for step in (19, 20, 29, 30)] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_half_a_wave():
    rates = [cosine_decay(1.0, step, 6, warmup=2) for step in range(2, 6)]
    assert rates == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2])
    assert cosine_decay(2.0, 2, 4, last=0.5) == pytest.approx(1.5)


def test_powers_of_a_line():
    assert [polynomial_decay(1.0, step, 4) for step in range(4)] == [1, 0.5625, 0.25, 0.0625]
    assert polynomial_decay(2.0, 2, 4, power=1.0, last=0.5) == pytest.approx(1.5)


def test_constant_stays():
    assert constant(0.3, 0, 10) == constant(0.3, 9, 10) == 0.3
