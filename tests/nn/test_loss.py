"""The losses against their definitions in float64 and central differences."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import binary_cross_entropy, huber, mean_squared_error, softmax_cross_entropy
from mpitrain.ops import cross_entropy

halves = pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])


@given(
    shape=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    classes=st.integers(1, 6),
    seed=st.integers(0, 99),
    scale=st.sampled_from([1, 0.125]),
    smoothing=st.sampled_from([0, 0.1, 1]),
    ignore=st.sampled_from([None, 0, -100]),
)
@settings(max_examples=40, deadline=None)
def test_gradient(bench, slope, shape, classes, seed, scale, smoothing, ignore):
    generator = np.random.default_rng(seed)
    logits, labels = generator.standard_normal((*shape, classes)), generator.integers(0, classes, shape)
    if ignore is not None:
        labels[generator.random(shape) < 0.5] = ignore
    loss, right, dlogits = softmax_cross_entropy(logits, labels, scale, smoothing, ignore)

    expected = hits = 0.0
    for index in np.ndindex(labels.shape):
        if labels[index] != ignore:
            softmax = np.exp(logits[index]) / np.exp(logits[index]).sum()
            target = (1 - smoothing) * np.eye(classes)[labels[index]] + smoothing / classes
            expected -= (target * np.log(softmax)).sum()
            hits += softmax[labels[index]] == softmax.max()
    assert loss == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert right == hits
    bench.close(
        dlogits, scale * slope(lambda: softmax_cross_entropy(logits, labels, scale, smoothing, ignore)[0], logits)
    )


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


def test_of_equal_logits_the_first_is_the_prediction():
    assert softmax_cross_entropy(np.zeros((3, 3), np.float32), np.array([0, 1, 2]), 1.0)[1] == 1


def test_tiles_change_nothing(monkeypatch):
    generator = np.random.default_rng(0)
    logits, labels = generator.standard_normal((7, 4)), generator.integers(0, 4, 7)
    loss, right, dlogits = softmax_cross_entropy(logits, labels, 1 / 7, 0.1, 3)
    monkeypatch.setattr(cross_entropy, "TILE", 9)
    tiled = softmax_cross_entropy(logits, labels, 1 / 7, 0.1, 3)
    assert tiled[:2] == (pytest.approx(loss), right)
    np.testing.assert_allclose(tiled.gradient, dlogits, rtol=1e-14)


def test_what_is_ignored_may_be_no_number():
    logits = np.array([[1.0, 2], [np.nan, np.inf]])
    loss, right, dlogits = softmax_cross_entropy(logits, np.array([1, -1]), 1.0, ignore=-1)
    assert (loss, right) == (pytest.approx(np.log(1 + np.exp(-1))), 1)
    np.testing.assert_array_equal(dlogits[1], 0)


def test_labels_that_are_no_class():
    for labels, wrong in (([0, 3], 3), ([-1, 0], -1)):
        with pytest.raises(ValueError) as error:
            softmax_cross_entropy(np.zeros((2, 3)), np.array(labels), 1.0)
        assert str(error.value) == f"labels must be 0 to 2, found {wrong}"


def test_labels_of_another_shape():
    with pytest.raises(ValueError) as error:
        softmax_cross_entropy(np.zeros((2, 3)), np.zeros((2, 3), int), 1.0)
    assert str(error.value) == "labels for logits (2, 3) must have shape (2,), found (2, 3)"


LOSSES = {
    mean_squared_error: lambda x, t: (x - t) ** 2,
    huber: lambda x, t: (x - t) ** 2 / 2 if abs(x - t) <= 1 else abs(x - t) - 0.5,
    binary_cross_entropy: lambda x, t: -t * np.log(1 / (1 + np.exp(-x))) - (1 - t) * np.log(1 / (1 + np.exp(x))),
}


@given(shape=st.lists(st.integers(0, 4), min_size=1, max_size=3), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_losses_of_numbers(bench, slope, shape, seed):
    generator = np.random.default_rng(seed)
    output, targets = 2 * generator.standard_normal(shape), generator.random(shape)
    for loss, formula in LOSSES.items():
        loss_sum, score, gradient = loss(output, targets, 0.25)
        pairs = list(zip(output.ravel(), targets.ravel(), strict=True))
        assert isinstance(loss_sum, float)
        assert loss_sum == pytest.approx(sum(formula(x, t) for x, t in pairs), rel=1e-12)
        if loss is binary_cross_entropy:
            assert score == sum((x > 0) == (t > 0.5) for x, t in pairs)
        else:
            assert score == pytest.approx(sum((x - t) ** 2 for x, t in pairs))
        assert gradient.shape == output.shape
        bench.close(gradient, 0.25 * slope(lambda loss=loss: loss(output, targets, 0.25)[0], output))


def test_huber_grows_from_delta_on_as_a_line():
    loss_sum, score, gradient = huber(np.array([0.0, 3, -5]), np.zeros(3), 1.0, delta=2.0)
    assert (loss_sum, score) == (2 * (3 - 1) + 2 * (5 - 1), 9 + 25)
    np.testing.assert_array_equal(gradient, [0, 2, -2])


def test_binary_cross_entropy_of_huge_logits():
    loss_sum, right, gradient = binary_cross_entropy(
        np.array([1e4, -1e4, 1e4], np.float32), np.array([1, 0, 0], np.int64), 1.0
    )
    assert (loss_sum, right) == (1e4, 2)
    np.testing.assert_array_equal(gradient, [0, 0, 1])
    assert gradient.dtype == np.float32


def test_targets_of_another_shape():
    for loss in LOSSES:
        with pytest.raises(ValueError) as error:
            loss(np.zeros((2, 1)), np.zeros(2), 1.0)
        assert str(error.value) == "targets must have the output's shape (2, 1), found (2,)"


@halves
def test_half_types_are_computed_in_float32_and_rounded_once(dtype):
    generator = np.random.default_rng(0)
    output, targets = generator.standard_normal((5, 9)).astype(dtype), generator.random((5, 9), np.float32)
    for loss, aims in ((softmax_cross_entropy, generator.integers(0, 9, 5)), *((loss, targets) for loss in LOSSES)):
        half, single = loss(output, aims, 0.2), loss(output.astype(np.float32), aims, 0.2)
        assert half[:2] == single[:2]
        assert half.gradient.dtype == dtype
        np.testing.assert_array_equal(half.gradient, single.gradient.astype(dtype))
