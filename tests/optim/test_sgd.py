"""SGD as an optimiser: it steps the vector it was given, and its state goes out and in again."""

import numpy as np
import pytest

from mpitrain.errors import UsageError
from mpitrain.optim import SGD


def walk(optimiser, gradients):
    for gradient in gradients:
        optimiser.step(gradient, lr=0.1)


def test_steps_the_vector_it_was_given():
    values = np.ones(3, np.float32)
    SGD(values, momentum=0.0).step(np.full(3, 2, np.float32), lr=0.25)
    np.testing.assert_array_equal(values, 0.5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_going_on_from_a_saved_state_is_never_having_stopped(nesterov):
    gradients = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    through = SGD(np.ones(5, np.float32), 0.9, nesterov, 1e-2)
    walk(through, gradients)

    stopped = SGD(np.ones(5, np.float32), 0.9, nesterov, 1e-2)
    walk(stopped, gradients[:3])
    values = stopped.values.copy()
    state = {name: array.copy() for name, array in stopped.state().items()}
    resumed = SGD(values, 0.9, nesterov, 1e-2)
    resumed.load_state(state)
    walk(resumed, gradients[3:])
    np.testing.assert_array_equal(resumed.values, through.values)
    np.testing.assert_array_equal(resumed.velocity, through.velocity)


def test_a_loaded_state_is_a_copy():
    optimiser, saved = SGD(np.zeros(2)), np.ones(2)
    optimiser.load_state({"velocity": saved})
    optimiser.step(np.ones(2), lr=0.1)
    np.testing.assert_array_equal(saved, 1)


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ({}, "the saved optimiser state has nothing, expected velocity of SGD"),
        (
            {"velocity": np.zeros(3), "second": np.zeros(3)},
            "the saved optimiser state has second, velocity, expected velocity of SGD",
        ),
        (
            {"velocity": np.zeros(4)},
            "velocity in the saved optimiser state is (4,) float64, expected (3,) float64; "
            "resume with the model that was saved",
        ),
        (
            {"velocity": np.zeros(3, np.float32)},
            "velocity in the saved optimiser state is (3,) float32, expected (3,) float64; "
            "resume with the model that was saved",
        ),
    ],
)
def test_a_state_of_another_kind_is_refused(state, line):
    optimiser = SGD(np.zeros(3))
    with pytest.raises(UsageError) as error:
        optimiser.load_state(state)
    assert str(error.value) == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"momentum": 1.0}, "momentum must be at least 0 and less than 1, found 1.0"),
        ({"momentum": -0.1}, "momentum must be at least 0 and less than 1, found -0.1"),
        ({"momentum": float("nan")}, "momentum must be at least 0 and less than 1, found nan"),
        ({"weight_decay": -1e-4}, "weight decay must be at least 0, found -0.0001"),
        (
            {"momentum": 0.0, "nesterov": True},
            "nesterov needs a momentum above 0, found 0.0; set one, or leave nesterov off",
        ),
    ],
)
def test_options_out_of_range_are_refused(options, line):
    with pytest.raises(UsageError) as error:
        SGD(np.zeros(3), **options)
    assert str(error.value) == line
