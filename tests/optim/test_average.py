"""The moving average of the weights."""

import numpy as np
import pytest

from mpitrain.errors import UsageError
from mpitrain.optim import Average


def read(average):
    out = np.empty_like(average.values)
    average.read(out)
    return out


def test_it_starts_as_the_values_and_follows_them():
    values = np.full(3, 8.0)
    average = Average(values, decay=0.5)
    np.testing.assert_array_equal(read(average), 8.0)
    values[...] = 0.0
    for expected in (4.0, 2.0, 1.0):
        average.update()
        np.testing.assert_array_equal(read(average), expected)
    np.testing.assert_array_equal(values, 0.0)


@pytest.mark.parametrize("warm_up", [False, True])
def test_values_that_stay_are_their_average_when_corrected(warm_up):
    values = np.full(3, 5.0, np.float32)
    average = Average(values, decay=0.99, warm_up=warm_up, corrected=True)
    for _ in range(4):
        np.testing.assert_allclose(read(average), 5.0, rtol=1e-6)
        average.update()


def test_corrected_is_the_weighted_mean():
    """Of the values after 3 updates, with weights 1, 1/d, 1/d^2."""
    values = np.zeros(1)
    average = Average(values, decay=0.5, corrected=True)
    for value in (1.0, 10.0, 100.0):
        values[...] = value
        average.update()
    np.testing.assert_allclose(read(average), (1 + 2 * 10 + 4 * 100) / 7)


@pytest.mark.parametrize("corrected", [False, True])
def test_warm_up_forgets_the_start(corrected):
    """The first decays are 2/11, 3/12, 4/13, which keep 24/1716 of the start."""
    values = np.ones(1)
    average = Average(values, decay=0.9, warm_up=True, corrected=corrected)
    values[...] = 0.0
    for _ in range(3):
        average.update()
    np.testing.assert_allclose(read(average), 0.0 if corrected else 2 / 11 * 3 / 12 * 4 / 13)
    values[...] = 1.0
    for _ in range(200):
        average.update()
    values[...] = 0.0
    average.update()
    np.testing.assert_allclose(read(average), 0.9, rtol=1e-6)  # warmed up


def test_going_on_from_a_saved_state_is_never_having_stopped():
    values = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    vector = np.zeros(5, np.float32)
    options = {"decay": 0.9, "warm_up": True, "corrected": True}
    through, stopped = Average(vector, **options), Average(vector, **options)
    for number, row in enumerate(values):
        vector[...] = row
        through.update()
        if number == 3:
            resumed = Average(vector, **options)
            resumed.load_state({name: array.copy() for name, array in stopped.state().items()})
            stopped = resumed
        stopped.update()
    np.testing.assert_array_equal(read(stopped), read(through))


def test_a_state_of_another_kind_is_refused():
    with pytest.raises(UsageError) as error:
        Average(np.zeros(3)).load_state({"average": np.zeros(3)})
    assert str(error.value) == "the saved average state has average, expected average, kept, updates of Average"


def test_a_decay_of_one_would_never_move():
    with pytest.raises(UsageError) as error:
        Average(np.zeros(3), decay=1.0)
    assert str(error.value) == "decay must be at least 0 and less than 1, found 1.0"
