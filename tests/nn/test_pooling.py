"""MaxPool2d: gradients where windows touch, overlap, leave gaps and leave edges over; ties."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import MaxPool2d

sides = st.integers(1, 6)


@given(window=st.integers(1, 3), stride=st.integers(1, 3), height=sides, width=sides, channels=st.integers(1, 2))
@settings(max_examples=60, deadline=None)
def test_gradients(bench, window, stride, height, width, channels):
    assume(min(height, width) >= window)
    pool = bench(MaxPool2d(window, stride))
    pool.check(pool.draw(2, height, width, channels))


def test_largest_of_each_window(bench):
    x = np.array([[1.0, 5, 2, 0, 9], [3, 4, 8, 7, 9], [9, 9, 9, 9, 9]]).reshape(1, 3, 5, 1)
    y, _ = bench(MaxPool2d(2)).forward(x)
    np.testing.assert_array_equal(y.reshape(1, 2), [[5, 8]])


@given(window=st.integers(1, 3), stride=st.integers(1, 3), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_tie_sends_the_gradient_to_exactly_one_element(bench, window, stride, seed):
    """So whatever comes in goes out, once, to elements that are the largest of a window."""
    pool = bench(MaxPool2d(window, stride))
    x = np.random.default_rng(seed).integers(0, 2, (2, 6, 6, 3)).astype(float)
    y, context = pool.forward(x)
    dx = pool.layer.backward(context, np.ones_like(y))
    assert dx.sum() == y.size
    assert (dx >= 0).all() and (dx == dx.round()).all()
    if stride >= window:
        assert dx[dx > 0].size == y.size
        assert x[dx > 0].sum() == y.sum()


def test_the_first_of_a_tie_takes_the_gradient(bench):
    pool = bench(MaxPool2d(2))
    y, context = pool.forward(np.array([[1.0, 3], [3, 3]]).reshape(1, 2, 2, 1))
    np.testing.assert_array_equal(pool.layer.backward(context, y).reshape(2, 2), [[0, 3], [0, 0]])


@pytest.mark.parametrize("stride", [2, 1])
def test_no_rows(bench, stride):
    bench(MaxPool2d(2, stride)).check_empty(4, 4, 3)


def test_largest_window_there_is(bench):
    pool = bench(MaxPool2d(16))
    x = pool.draw(1, 16, 16, 1)
    x[0, 15, 15, 0] = 1e6
    y, context = pool.forward(x)
    dx = pool.layer.backward(context, np.ones_like(y))
    assert dx[0, 15, 15, 0] == dx.sum() == 1


def test_windows_out_of_range_are_refused():
    for window in (0, 17):
        with pytest.raises(ValueError) as error:
            MaxPool2d(window)
        assert str(error.value) == f"window must be 1 to 16 pixels wide, found {window}"
