"""The CUDA sources of attention against their NumPy twin."""

import re

import numpy as np
import pytest

from kernels import BARRIER, SEEDS, count, dtype_of, guarded, mutated, thread_order, unwritten, without
from mpitrain.emulated.cuda import Device
from mpitrain.ops.attention import attention, attention_backward
from mpitrain.ops.attention_launch import FILE, TENSOR_FILE

TOLERANCE = {"float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}

# batch, queries, keys, heads, width: one of each, tiles that end halfway, every width of the kernel, in packs and not.
SHAPES = [(1, 1, 1, 1, 1), (2, 37, 37, 2, 16), (1, 33, 70, 2, 40), (1, 40, 40, 1, 128), (2, 5, 9, 3, 7)]


def close(found, expected, dtype):
    wide = expected.astype(float)
    tolerance = TOLERANCE[dtype] * max(1, np.abs(wide).max(initial=0))
    np.testing.assert_allclose(found.astype(float), wide, rtol=0, atol=tolerance)


def compare(dtype, shape, seed, causal=True, masked=True, start=0):
    (batch, queries, keys, heads, width), kind = shape, dtype_of(dtype)
    generator = np.random.default_rng(width)
    q, k, v, dy = (
        generator.standard_normal((batch, length, heads, width)).astype(kind)
        for length in (queries, keys, keys, queries)
    )
    mask = generator.random((batch, keys)) < 0.6 if masked else None
    scale = width**-0.5
    y, logsumexp = attention(q, k, v, scale, causal, mask)
    slopes = tuple(np.empty_like(x) for x in (q, k, v))
    attention_backward(q, k, v, y, logsumexp, dy, slopes, scale, causal, mask)

    given = [guarded(x, start) for x in (q, k, v, dy)]
    on_q, on_k, on_v, on_dy = (x.array for x in given)
    on_mask = guarded(mask).array if masked else None
    written = [unwritten(x.shape, kind, start) for x in (q, k, v)]
    with thread_order(seed):
        found, found_log = attention(on_q, on_k, on_v, scale, causal, on_mask)
        arrays = (on_q, on_k, on_v, found, found_log, on_dy, tuple(x.array for x in written))
        attention_backward(*arrays, scale, causal, on_mask)
    assert (found.dtype, found_log.dtype) == (kind, np.float32)
    close(found.get(), y, dtype)
    np.testing.assert_allclose(found_log.get(), logsumexp, rtol=0, atol=1e-4)
    for slope, expected in zip(written, slopes, strict=True):
        close(slope.numbers(), expected, dtype)
    for array, numbers in zip(given, (q, k, v, dy), strict=True):
        np.testing.assert_array_equal(array.numbers(), numbers)


@pytest.fixture(params=["tensor cores", "none"])
def half_types(request, monkeypatch):
    """What half types go through."""
    if request.param == "none":
        made = Device.__init__

        def older(self, *args):
            made(self, *args)
            self.compute_capability = "75"

        monkeypatch.setattr(Device, "__init__", older)
    return request.param


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_its_numpy_twin(shape):
    for seed, (causal, masked) in zip(SEEDS, [(True, False), (False, True), (True, True)], strict=True):
        compare("float32", shape, seed, causal, masked)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 70, 130, 1, 64)])
def test_half_types(dtype, shape, half_types):
    for seed, (causal, masked) in zip(SEEDS, [(True, False), (False, True), (True, True)], strict=True):
        compare(dtype, shape, seed, causal, masked)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_arrays_that_start_anywhere(dtype):
    compare(dtype, (2, 34, 34, 2, 8), seed=2, start=1)


def test_views_of_one_array():
    qkv = np.random.default_rng(0).standard_normal((2, 35, 3, 2, 8)).astype(np.float32)
    dy = np.random.default_rng(1).standard_normal((2, 35, 2, 8)).astype(np.float32)
    on_host, on_device = np.empty_like(qkv), unwritten(qkv.shape, np.float32)
    for array, slopes, slope in ((qkv, on_host, dy), (guarded(qkv).array, on_device.array, guarded(dy).array)):
        q, k, v = (array[:, :, i] for i in range(3))
        y, logsumexp = attention(q, k, v, 0.3, causal=True)
        parts = tuple(slopes[:, :, i] for i in range(3))
        attention_backward(q, k, v, y, logsumexp, slope, parts, 0.3, causal=True)
    close(on_device.numbers(), on_host, "float32")


def test_large_scores_do_not_overflow():
    generator = np.random.default_rng(0)
    q, k, v = generator.standard_normal((3, 1, 40, 1, 4)).astype(np.float32)
    expected, _ = attention(q * 100, k * 100, v, 1.0)
    found, _ = attention(*(guarded(x).array for x in (q * 100, k * 100, v)), 1.0)
    close(found.get(), expected, "float32")


def test_no_batch():
    q = guarded(np.zeros((0, 3, 2, 4), np.float32)).array
    y, logsumexp = attention(q, q, q, 1.0)
    attention_backward(q, q, q, y, logsumexp, q, (q, q, q), 1.0)
    assert (y.shape, logsumexp.shape) == ((0, 3, 2, 4), (0, 2, 3))


@pytest.mark.parametrize(
    ("dtype", "width", "text"),
    [
        ("float64", 4, "found 4 in float64"),
        ("float32", 129, "found 129 in float32"),
    ],
)
def test_what_the_kernel_does_not_take(dtype, width, text):
    q = guarded(np.zeros((1, 1, 1, width), dtype)).array
    with pytest.raises(ValueError) as error:
        attention(q, q, q, 1.0)
    expected = "attention on a device takes heads of up to 128 numbers in float32, float16, bfloat16, "
    assert str(error.value) == expected + text


def test_heads_that_are_not_side_by_side():
    q = guarded(np.zeros((2, 3, 2, 4), np.float32)).array
    with pytest.raises(ValueError) as error:
        attention(q.swapaxes(1, 2), q.swapaxes(1, 2), q.swapaxes(1, 2), 1.0)
    assert str(error.value) == (
        "expected evenly spaced rows of heads side by side, found strides (96, 16, 32, 4) of (2, 2, 3, 4)"
    )


def less(text):
    """To compile."""
    for kernel in re.findall(r"^ATTENTION\(.*(?<!float16, __half, 32)\)$", text, re.MULTILINE):
        text = text.replace(kernel, "")
    return text.replace("ATTENTIONS(float16, __half)", "").replace("ATTENTIONS(bfloat16, __nv_bfloat16)", "").replace(
        "ATTENTION(DTYPE, T, 128, 4)", ""
    ).replace("ATTENTION(DTYPE, T, 64, 8)", "")  # fmt: skip


@pytest.mark.parametrize(
    ("file", "dtype", "barrier", "nth"),
    [(FILE, "float32", "__syncwarp();", nth) for nth in range(2)]
    + [(TENSOR_FILE, "float16", BARRIER, count(TENSOR_FILE, BARRIER) - back) for back in (1, 2)],
)
def test_every_barrier_is_needed(file, dtype, barrier, nth):
    """Some of each: the streams of both files and the ladder have the same barriers, warp.cuh has tests of its own."""
    with mutated(file, lambda text: without(less(text), barrier, nth)), pytest.raises(AssertionError):
        for seed in range(6):
            compare(dtype, (1, 70, 70, 1, 5), seed)
