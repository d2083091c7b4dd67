"""Clipping by the global norm."""

import math

import numpy as np
import pytest

from mpitrain.optim import clip_norm


def test_a_long_gradient_is_shortened_to_the_limit():
    clipped = clip_norm(np.array([3.0, 4.0]), limit=1.0)
    assert clipped.norm == 5.0
    assert clipped.scale == pytest.approx(1 / 5, rel=1e-6)


def test_a_short_one_is_left_alone():
    assert clip_norm(np.array([3.0, 4.0]), limit=10.0) == (5.0, 1.0)
    assert clip_norm(np.zeros(4), limit=1.0) == (0.0, 1.0)
    assert clip_norm(np.zeros(0), limit=1.0) == (0.0, 1.0)


def test_without_a_limit_it_is_the_norm():
    assert clip_norm(np.array([3.0, 4.0])) == (5.0, 1.0)


def test_the_scale_of_the_loss_is_undone_first():
    """The limit is for the gradient of the loss itself."""
    clipped = clip_norm(np.array([3.0, 4.0]) * 1024, limit=1.0, scale=1 / 1024)
    assert clipped.norm == 5.0
    assert clipped.scale * 1024 == pytest.approx(1 / 5, rel=1e-6)


def test_shards_are_clipped_as_one():
    """What a rank contributes is its sum of squares, so that the sum over ranks is that of the whole."""
    whole = np.arange(1.0, 8.0)
    others = float(whole[3:] @ whole[3:])
    clipped = clip_norm(whole[:3], limit=2.0, reduce=lambda squares: np.add(squares, others, out=squares))
    assert clipped == clip_norm(whole, limit=2.0)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_norm_tells_whether_all_is_finite(bad, dtype):
    gradients = np.ones(100, dtype)
    assert math.isfinite(clip_norm(gradients).norm)
    gradients[77] = bad
    assert not math.isfinite(clip_norm(gradients).norm)
