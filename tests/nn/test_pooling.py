"""Pooling: gradients where windows touch, overlap, leave gaps and leave edges over; ties, means."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import AveragePool1d, AveragePool2d, Call, GlobalAveragePool, MaxPool1d, MaxPool2d
from mpitrain.ops import max_pool

sides, pairs = st.integers(1, 6), st.tuples(st.integers(1, 3), st.integers(1, 3))
paddings = st.tuples(st.integers(0, 1), st.integers(0, 1))


@pytest.mark.parametrize("kind", [MaxPool2d, AveragePool2d])
@given(window=pairs, stride=pairs, padding=paddings, height=sides, width=sides, channels=st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_gradients(bench, kind, window, stride, padding, height, width, channels):
    assume(all(2 * border <= kernel for border, kernel in zip(padding, window, strict=True)))
    assume(height + 2 * padding[0] >= window[0] and width + 2 * padding[1] >= window[1])
    pool = bench(kind(window, stride, padding))
    pool.check(pool.draw(2, height, width, channels))


@pytest.mark.parametrize(("series", "image"), [(MaxPool1d, MaxPool2d), (AveragePool1d, AveragePool2d)])
@pytest.mark.parametrize("stride", [None, 2])
def test_a_series_is_an_image_one_pixel_high(bench, series, image, stride):
    one, two = bench(series(3, stride, 1)), bench(image((1, 3), stride and (1, stride), (0, 1)))
    x = one.draw(2, 8, 3)
    np.testing.assert_array_equal(one.forward(x)[0], two.forward(x[:, None])[0][:, 0])
    one.check(x)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 7, 2), (2, 5)])
def test_the_mean_over_all_places(bench, shape):
    pool = bench(GlobalAveragePool())
    x = pool.draw(*shape)
    y, _ = pool.forward(x)
    pool.close(y, x.reshape(shape[0], -1, shape[-1]).mean(axis=1), 1e-14)
    pool.check(x)
    pool.check_empty(*shape[1:])


def test_mean_of_each_window_counts_padding_as_zeros(bench):
    x = np.arange(1.0, 5).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(bench(AveragePool2d(2)).forward(x)[0].reshape(-1), [2.5])
    y, _ = bench(AveragePool2d(2, stride=2, padding=1)).forward(x)
    np.testing.assert_array_equal(y.reshape(-1), [0.25, 0.5, 0.75, 1])


def test_means_of_half_types_are_rounded_once():
    """Added up in bfloat16 they are off by 3 %."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, (2, 16, 16, 3)).astype(ml_dtypes.bfloat16)
    y, _ = AveragePool2d(16).forward(x, Call(True))
    np.testing.assert_allclose(y.astype(float), x.astype(float).mean((1, 2), keepdims=True), rtol=2**-8)


def test_padding_is_never_the_largest(bench):
    y, _ = bench(MaxPool2d(3, 2, padding=1)).forward(np.full((1, 3, 3, 1), -7.0))
    np.testing.assert_array_equal(y, np.full((1, 2, 2, 1), -7.0))


@pytest.mark.parametrize("options", [{"stride": 2}, {"stride": 1}, {"stride": 2, "padding": 1}])
@pytest.mark.parametrize("tile", [1, 40])
def test_cutting_the_batch_changes_nothing(bench, monkeypatch, options, tile):
    pool = bench(MaxPool2d(2, **options))
    x = pool.draw(7, 4, 6, 2)
    y, context = pool.forward(x)
    dx = pool.layer.backward(context, y)
    monkeypatch.setattr(max_pool, "TILE", tile)
    parts, context = pool.forward(x)
    np.testing.assert_array_equal(parts, y)
    np.testing.assert_array_equal(pool.layer.backward(context, y), dx)


@pytest.mark.parametrize("kind", [MaxPool2d, AveragePool2d])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_types_stay_what_they_are(bench, kind, dtype):
    pool = bench(kind(3, 2, 1))
    x = pool.draw(1, 4, 4, 2).astype(dtype)
    y, context = pool.forward(x)
    assert (y.dtype, pool.layer.backward(context, y).dtype) == (dtype, dtype)


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
@pytest.mark.parametrize("kind", [MaxPool2d, AveragePool2d])
def test_no_rows(bench, kind, stride):
    bench(kind(2, stride)).check_empty(4, 4, 3)


def test_largest_window_there_is(bench):
    pool = bench(MaxPool2d(16))
    x = pool.draw(1, 16, 16, 1)
    x[0, 15, 15, 0] = 1e6
    y, context = pool.forward(x)
    dx = pool.layer.backward(context, np.ones_like(y))
    assert dx[0, 15, 15, 0] == dx.sum() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((0,), "window must be at least 1 pixel down and across, found (0, 0)"),
        ((17,), "window must be at most 16 pixels down and across, found (17, 17)"),
        ((2, 0), "stride must be at least 1 down and across, found (0, 0)"),
        ((3, 1, 2), "padding must be at most half the window (3, 3), found (2, 2)"),
    ],
)
def test_what_cannot_be_is_named(options, message):
    with pytest.raises(ValueError) as error:
        MaxPool2d(*options)
    assert str(error.value) == message
