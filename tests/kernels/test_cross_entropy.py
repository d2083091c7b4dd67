"""The CUDA source of the cross-entropy against its NumPy twin, and its older sisters of the ladder."""

import re
from unittest import mock

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import BARRIER, DTYPES, SEEDS, count, dtype_of, guarded, mutated, thread_order, unwritten, without
from mpitrain.memory import empty
from mpitrain.ops import cross_entropy as op
from mpitrain.ops.cross_entropy import cross_entropy
from mpitrain.ops.launch import launch

FILE = "cross_entropy.cu"
CLASSES = (1, 3, 8, 10, 257, 1040)  # one, less than a pack, one pack, ..., several warps


def draw(rows, classes, dtype, seed=0, ignored=True):
    generator = np.random.default_rng(seed)
    logits = (3 * generator.standard_normal((rows, classes))).astype(dtype_of(dtype))
    labels = generator.integers(0, classes, rows)
    logits[::2, : classes // 2 + 1] = 20  # of equal ones the first is the prediction
    labels[0], labels[2] = classes // 2, 0
    if ignored:
        labels[1] = -100
    return logits, labels


def check(found, expected, dtype):
    """Up to a rounding to the type, and to what sums of float32 differ by."""
    rounding = ml_dtypes.finfo(dtype).eps
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found[0].get(), expected.loss_sum, rtol=tolerance)
    assert found[1].get() == expected.right
    np.testing.assert_allclose(
        found[2].astype(float), expected.gradient.astype(float), rtol=max(rounding, tolerance), atol=tolerance / 10
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", CLASSES)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_kernel_is_its_numpy_twin(dtype, classes, smoothing):
    logits, labels = draw(5, classes, dtype)
    expected = cross_entropy(logits, labels, 0.25, smoothing, -100)
    for seed in SEEDS:
        gradient = unwritten(logits.shape, logits.dtype)
        given, arrays = guarded(logits, start=seed % 2), [gradient.array]
        with (
            thread_order(seed),
            mock.patch.object(op, "MOST_HELD", 0 if seed == 2 else op.MOST_HELD),  # where it is 0 rows are read twice
            mock.patch.object(op, "empty", lambda *what, arrays=arrays: arrays.pop() if arrays else empty(*what)),
        ):
            loss, right, _ = cross_entropy(given.array, xp.asarray(labels), 0.25, smoothing, -100)
        check((loss, right, gradient.numbers()), expected, logits.dtype)
        np.testing.assert_array_equal(given.numbers(), logits)


def on_device(logits, labels, *options):
    before = xp.synchronisations()
    found = cross_entropy(xp.asarray(logits), xp.asarray(labels), *options)
    assert xp.synchronisations() == before
    return (*found[:2], found.gradient.get())


def test_bits_are_the_same_in_any_order_of_threads():
    logits, labels = draw(4, 1040, "float32")
    results = []
    for seed in (*SEEDS, 3, 4):
        with thread_order(seed):
            loss, _, gradient = on_device(logits, labels, 0.25, 0.1, -100)
        results.append((float(loss), gradient.tobytes()))
    assert len(set(results)) == 1


def test_masked_and_huge_logits():
    """Whole warps of -infinity, and what would overflow."""
    logits = np.full((2, 1040), -np.inf, np.float32)
    logits[:, -2:] = [[1e4, 0], [3, 3]]
    labels = np.array([1038, 1039])
    loss, right, gradient = on_device(logits, labels, 1.0)
    assert float(loss) == pytest.approx(np.log(2), rel=1e-6) and int(right) == 1
    np.testing.assert_array_equal(gradient[:, :-2], 0)
    np.testing.assert_array_equal(gradient[:, -2:], [[0, 0], [0.5, -0.5]])


def test_labels_that_are_no_class_give_nan():
    logits, labels = draw(3, 5, "float32", ignored=False)
    for wrong in (-1, 5):
        labels[1] = wrong
        loss, _, gradient = on_device(logits, labels, 1.0)
        assert np.isnan(float(loss))
        assert np.isnan(gradient).all(axis=1).tolist() == [False, True, False]


def test_no_rows():
    loss, right, gradient = on_device(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), 1.0)
    assert (float(loss), int(right), gradient.shape) == (0.0, 0, (0, 3))


def only_float32(text):
    """Others would take their time to compile."""
    return re.sub(r"^KERNEL\((?!float32).*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("tally.sum *= power<T>(tally.largest, largest)", ""),  # the sum stays with the old maximum
        ("label / length % blockDim.x", "0u"),  # the label's gradient by another thread than the one before
        (BARRIER, ""),
    ],
)
def test_a_wrong_kernel_is_seen(right, wrong):
    with (
        mutated(FILE, lambda text: only_float32(text.replace(right, wrong))),
        pytest.raises(AssertionError),
    ):
        for classes in (8, 1040):
            test_kernel_is_its_numpy_twin("float32", classes, 0.2)


# file and threads
LADDER = [("ladder/cross_entropy_1.cu", 32), ("ladder/cross_entropy_2.cu", 64), ("ladder/cross_entropy_3.cu", 64)]
BARRIERS = [(*rung, nth) for rung in LADDER for nth in range(count(rung[0], BARRIER))]


def climb(file, threads, logits, labels):
    rows, classes = logits.shape
    given, gradient = xp.asarray(logits), unwritten(logits.shape, logits.dtype)
    losses = xp.empty(rows, np.float32)
    numbers = (np.int32(rows), np.int32(classes), np.float32(0.25))
    blocks = -(-rows // threads) if file.endswith("_1.cu") else rows
    launch(xp, file, "cross_entropy", blocks, threads, (given, xp.asarray(labels), gradient.array, losses, *numbers))
    return losses.sum(dtype=np.float64), gradient.numbers()


@pytest.mark.parametrize(("file", "threads"), LADDER)
def test_ladder(file, threads):
    for classes in (1, 10, 257):
        logits, labels = draw(5, classes, "float32", ignored=False)
        expected = cross_entropy(logits, labels, 0.25)
        for seed in SEEDS:
            with thread_order(seed):
                loss, gradient = climb(file, threads, logits, labels)
            np.testing.assert_allclose(loss.get(), expected.loss_sum, rtol=1e-5)
            np.testing.assert_allclose(gradient, expected.gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("file", "threads", "nth"), BARRIERS)
def test_every_barrier_of_the_ladder_is_needed(file, threads, nth):
    with mutated(file, lambda text: without(text, BARRIER, nth)), pytest.raises(AssertionError):
        test_ladder(file, threads)
