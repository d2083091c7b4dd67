"""The NumPy step: PyTorch's formula by hand, over tile borders, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.ops import flat
from mpitrain.ops.sgd import sgd_step


def by_hand(value, gradient, velocity, lr, momentum, weight_decay, nesterov):
    """PyTorch's documentation of SGD, line by line, with dampening 0 and a buffer that starts at 0."""
    gradient = gradient + weight_decay * value
    velocity = momentum * velocity + gradient
    direction = gradient + momentum * velocity if nesterov else velocity
    return value - lr * direction, velocity


@given(
    count=st.sampled_from([0, 1, 7, 8, 9, 1003]),
    momentum=st.sampled_from([0.0, 0.9]),
    weight_decay=st.sampled_from([0.0, 0.01]),
    nesterov=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)
@settings(max_examples=60, deadline=None)
def test_three_steps_are_the_formula(count, momentum, weight_decay, nesterov, dtype):
    """Bit by bit, since the formula rounds in the same places, and in tiles so small that there are many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flat, "TILE", 8)
        generator = np.random.default_rng(0)
        value = generator.standard_normal(count).astype(dtype)
        velocity = np.zeros_like(value)
        expected, expected_velocity = value.copy(), velocity.copy()
        for lr in (0.1, 0.1, 0.05):
            gradient = generator.standard_normal(count).astype(dtype)
            kept = gradient.copy()
            expected, expected_velocity = by_hand(
                expected, gradient, expected_velocity, lr, momentum, weight_decay, nesterov
            )
            sgd_step(value, gradient, velocity, lr, momentum, weight_decay, nesterov)
            np.testing.assert_array_equal(gradient, kept)
        np.testing.assert_array_equal(value, expected)
        np.testing.assert_array_equal(velocity, expected_velocity)


def test_first_step_is_down_the_gradient():
    value, velocity = np.array([1.0, 2.0]), np.zeros(2)
    sgd_step(value, np.array([10.0, -10.0]), velocity, lr=0.1, momentum=0.9)
    np.testing.assert_allclose(value, [0.0, 3.0], atol=1e-15)
    np.testing.assert_array_equal(velocity, [10, -10])


def test_nesterov_looks_ahead_in_the_first_step():
    value, velocity = np.array([1.0]), np.zeros(1)
    sgd_step(value, np.array([10.0]), velocity, lr=0.1, momentum=0.9, nesterov=True)
    assert value[0] == pytest.approx(1 - 0.1 * (10 + 0.9 * 10))


def test_a_constant_gradient_sums_a_geometric_series():
    """After n steps from 0 the velocity is g (1 - m^n) / (1 - m), and the way the sum of all velocities."""
    value, velocity, steps = np.zeros(1), np.zeros(1), 25
    for _ in range(steps):
        sgd_step(value, np.ones(1), velocity, lr=0.1, momentum=0.9)
    assert velocity[0] == pytest.approx((1 - 0.9**steps) / 0.1)
    assert value[0] == pytest.approx(-0.1 * (steps - 0.9 * (1 - 0.9**steps) / 0.1) / 0.1)


def test_weight_decay_alone_shrinks_by_a_factor():
    value, velocity = np.array([3.0]), np.zeros(1)
    for _ in range(10):
        sgd_step(value, np.zeros(1), velocity, lr=0.1, weight_decay=0.5)
    assert value[0] == pytest.approx(3 * 0.95**10)


MUST_BE = "must be a contiguous vector of float32, float64, float16 or bfloat16"


@pytest.mark.parametrize(
    ("vector", "found"),
    [
        (np.zeros(3, np.float64), "gradients must be like values, (3,) float32, found (3,) float64"),
        (np.zeros(4, np.float32), "gradients must be like values, (3,) float32, found (4,) float32"),
        (
            np.zeros(3, np.int32),
            f"gradients {MUST_BE}, found shape (3,), strides (4,), int32",
        ),
        (
            np.zeros(6, np.float32)[::2],
            f"gradients {MUST_BE}, found shape (3,), strides (8,), float32",
        ),
        (
            np.zeros((3, 1), np.float32),
            f"gradients {MUST_BE}, found shape (3, 1), strides (4, 4), float32",
        ),
    ],
)
def test_vectors_that_do_not_match_are_refused(vector, found):
    value = np.zeros(3, np.float32)
    with pytest.raises(ValueError) as error:
        sgd_step(value, vector, value.copy(), lr=0.1)
    assert str(error.value) == found
