"""Softmax cross-entropy against its definition in float64 and central differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import softmax_cross_entropy


@given(rows=st.integers(1, 5), classes=st.integers(1, 6), seed=st.integers(0, 99), scale=st.sampled_from([1, 0.125]))
@settings(max_examples=40, deadline=None)
def test_gradient(bench, slope, rows, classes, seed, scale):
    generator = np.random.default_rng(seed)
    logits, labels = generator.standard_normal((rows, classes)), generator.integers(0, classes, rows)
    loss, _, dlogits = softmax_cross_entropy(logits, labels, scale)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(-np.log(softmax[np.arange(rows), labels]).sum(), rel=1e-12, abs=1e-12)
    bench.close(dlogits, scale * slope(lambda: softmax_cross_entropy(logits, labels, scale)[0], logits))


def test_counts_the_right_predictions():
    logits = np.array([[3.0, 1, 2], [0, 5, 1], [1, 2, 3]], np.float32)
    assert softmax_cross_entropy(logits, np.array([0, 1, 0]), 1.0)[1] == 2


def test_the_logits_are_left_alone_and_their_dtype_kept():
    logits = np.array([[3.0, 1, 2]], np.float32)
    _, _, dlogits = softmax_cross_entropy(logits, np.array([0]), 1 / 3)
    np.testing.assert_array_equal(logits, [[3, 1, 2]])
    assert dlogits.dtype == np.float32


def test_huge_logits_overflow_nothing():
    logits = np.array([[1e4, 0.0], [1e4, 0.0]], np.float32)
    loss, correct, dlogits = softmax_cross_entropy(logits, np.array([0, 1]), 1.0)
    assert (loss, correct) == (1e4, 1)
    np.testing.assert_array_equal(dlogits, [[0, 0], [1, -1]])


def test_the_sum_is_float64():
    """A million rows of ln 2, which a running sum in float32 would miss by some hundreds."""
    loss, _, _ = softmax_cross_entropy(np.zeros((10**6, 2), np.float32), np.zeros(10**6, np.int64), 1.0)
    assert loss == pytest.approx(10**6 * float(np.log(np.float32(2))), rel=1e-12)


def test_any_cut_of_a_batch_sums_to_the_whole():
    generator = np.random.default_rng(0)
    logits, labels = generator.standard_normal((7, 4)), generator.integers(0, 4, 7)
    loss, correct, dlogits = softmax_cross_entropy(logits, labels, 1 / 7)
    parts = [softmax_cross_entropy(logits[s], labels[s], 1 / 7) for s in (slice(2), slice(2, 2), slice(2, 7))]
    assert sum(part[0] for part in parts) == pytest.approx(loss)
    assert sum(part[1] for part in parts) == correct
    np.testing.assert_allclose(np.concatenate([part[2] for part in parts]), dlogits)


def test_no_rows():
    loss, correct, dlogits = softmax_cross_entropy(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 1.0)
    assert (loss, correct, dlogits.shape, dlogits.dtype) == (0.0, 0, (0, 3), np.float32)
