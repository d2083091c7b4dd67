"""The emulated array: the functions that networks use give NumPy's numbers, and nothing crosses unasked."""

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.array import as_array, namespace
from mpitrain.emulated import synchronisations

GENERATOR = np.random.default_rng(0)
A, B = GENERATOR.standard_normal((2, 4, 6)).astype(np.float32)
ROWS = np.array([2, 0, 2])
IMAGES = GENERATOR.standard_normal((2, 5, 5, 3))

# Each is told the module and the arrays, and gives an array.
CALLS = {
    "operators": lambda xp, a, b: -a * b + 2.0 / (1 + a**2) - np.float32(3),
    "operators from the right": lambda xp, a, b: 1 - (2 * a) / 3 + (a < 2),
    "comparisons": lambda xp, a, b: (a > b) & (a != 0) | ~(b <= 1),
    "ufuncs": lambda xp, a, b: xp.exp(xp.maximum(a, 0)) + xp.tanh(b) + xp.sqrt(xp.abs(b)),
    "where": lambda xp, a, b: xp.where(a > 0, a, b),
    "sum": lambda xp, a, b: xp.sum(a, axis=1, keepdims=True) + a.sum(),
    "mean": lambda xp, a, b: a.mean(axis=(0, 1)) + xp.var(b, axis=0),
    "max": lambda xp, a, b: a.max(axis=-1, keepdims=True) + xp.min(b),
    "argmax": lambda xp, a, b: a.argmax(axis=1),
    "reshape": lambda xp, a, b: a.reshape(2, -1).T.ravel(),
    "transpose": lambda xp, a, b: a.reshape(2, 2, 6).transpose(2, 0, 1).swapaxes(0, 1),
    "matmul": lambda xp, a, b: xp.matmul(a, b.T),
    "@": lambda xp, a, b: a @ b.T,
    "einsum": lambda xp, a, b: xp.einsum("ij,kj->ik", a, b),
    "concatenate": lambda xp, a, b: xp.concatenate([a, b], axis=1),
    "stack": lambda xp, a, b: xp.stack((a, b)),
    "split": lambda xp, a, b: xp.split(a, 2, axis=1)[1],
    "slice": lambda xp, a, b: a[1:, ::2] + b[..., None][:3, :3, 0],
    "rows": lambda xp, a, b: a[xp.asarray(ROWS)] + xp.take(b, xp.asarray(ROWS), axis=0),
    "pairs": lambda xp, a, b: a[xp.arange(3), xp.asarray(ROWS)],
    "astype": lambda xp, a, b: a.astype(np.float16).astype(np.float64),
    "view": lambda xp, a, b: a.view(np.int32),
    "pad": lambda xp, a, b: xp.pad(a, ((1, 0), (0, 2))),
    "cumsum": lambda xp, a, b: xp.cumsum(a, axis=1),
    "clip": lambda xp, a, b: xp.clip(a, -0.5, 0.5),
    "zeros_like": lambda xp, a, b: xp.zeros_like(a) + xp.ones((4, 6), np.float32) + xp.full((6,), 2.0, np.float32),
    "argsort": lambda xp, a, b: xp.argsort(a, axis=1),
    "broadcast": lambda xp, a, b: xp.broadcast_to(a[0], (3, 6)),
    "count_nonzero": lambda xp, a, b: xp.count_nonzero(a > 0, axis=0),
    "windows": lambda xp, a, b: xp.lib.stride_tricks.sliding_window_view(a, 3, axis=1),
    "norm": lambda xp, a, b: xp.linalg.norm(a),
    "isfinite": lambda xp, a, b: xp.isfinite(a).all(),
    "promotion": lambda xp, a, b: a.astype(np.float16) * 2.5 + xp.arange(6, dtype=np.int8),
    "numpy's own": lambda xp, a, b: np.add(a, b) + np.sum(a),
}


@pytest.mark.parametrize("name", CALLS)
def test_gives_numpys_numbers(name):
    found = CALLS[name](xp, xp.asarray(A), xp.asarray(B))
    expected = np.asarray(CALLS[name](np, A, B))
    assert isinstance(found, xp.ndarray) and namespace(found) is xp
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(found.get(), expected)


def test_in_place():
    a, b = xp.asarray(A), xp.asarray(B)
    whole = a
    a += b
    a[1:3] *= 2
    a[0] = 7
    a[:, 1] = b[:, 0]
    a[3, 3] = np.float32(5)
    a[xp.asarray([2]), xp.asarray([2])] = -1
    a[b > 1] = 0
    xp.add.at(a, xp.asarray([0, 0]), 1)
    expected = A + B
    expected[1:3] *= 2
    expected[0] = 7
    expected[:, 1] = B[:, 0]
    expected[3, 3] = 5
    expected[2, 2] = -1
    expected[B > 1] = 0
    expected[0] += 2
    assert whole is a
    np.testing.assert_array_equal(a.get(), expected)


def test_out_is_returned_and_views_share():
    a = xp.asarray(A)
    out = xp.empty((4, 6), np.float32)
    assert xp.multiply(a, 2, out=out) is out and a.sum(axis=0, out=out[0]).shape == (6,)
    view = out[1:].reshape(-1)[::2]
    view.fill(3)
    np.testing.assert_array_equal(out.get()[1:, ::2], 3)
    assert view.base is not None and not view.flags.c_contiguous and view.data.ptr == out.data.ptr + 24


def test_asarray_copies_what_the_host_has_and_keeps_what_the_device_has():
    host = A.copy()
    there = xp.asarray(host)
    host[...] = 0
    np.testing.assert_array_equal(there.get(), A)
    assert xp.asarray(there) is there and as_array(there) is there
    assert xp.asarray(there, np.float64).dtype == np.float64
    assert xp.array(there).data.ptr != there.data.ptr
    back = there.get()
    back[...] = 0
    np.testing.assert_array_equal(xp.asnumpy(there), A)
    there.set(B)
    out = np.empty_like(A)
    assert there.get(out=out) is out
    np.testing.assert_array_equal(out, B)


def test_memory_that_nobody_wrote_is_nan():
    assert np.isnan(xp.empty((2, 3), np.float32).get()).all()
    assert np.isnan(xp.empty_like(xp.zeros(3, np.float16)).get()).all()
    np.testing.assert_array_equal(xp.empty(2, np.int64).get(), -1)


NUMPY = "Unsupported type <class 'numpy.ndarray'>"
IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)


@pytest.mark.parametrize(
    ("crossing", "text"),
    [
        (lambda a: a + B, NUMPY),
        (lambda a: B + a, NUMPY),
        (lambda a: a.__iadd__(B), NUMPY),
        (lambda a: xp.maximum(a, B), NUMPY),
        (lambda a: np.maximum(B, a), NUMPY),
        (lambda a: np.add(B, B, out=a), NUMPY),
        (lambda a: xp.sum(B), NUMPY),
        (lambda a: xp.concatenate([a, B]), NUMPY),
        (lambda a: xp.matmul(a, B.T), NUMPY),
        (lambda a: a.__setitem__(..., B), NUMPY),
        (lambda a: a + [1.0] * 6, "Unsupported type <class 'list'>"),
        (lambda a: np.asarray(a), IMPLICIT),
        (lambda a: np.empty((4, 6)).__setitem__(..., a), IMPLICIT),
        (lambda a: range(a[0, 0]), "'ndarray' object cannot be interpreted as an integer"),
        (lambda a: {a}, "unhashable type: 'ndarray'"),
        (lambda a: memoryview(a), "memoryview: a bytes-like object is required, not 'ndarray'"),
        (lambda a: a.set(a), "Only numpy.ndarray can be set to cupy.ndarray"),
        (lambda a: xp.sum(a, where=a > 0), "sum() got an unexpected keyword argument 'where'"),
        (lambda a: np.add(a, 1, where=a > 0), "add() got an unexpected keyword argument 'where'"),
        (lambda a: a.max(initial=0), "max() got an unexpected keyword argument 'initial'"),
        (lambda a: xp.take(a, xp.asarray([0]), mode="clip"), "take() got an unexpected keyword argument 'mode'"),
    ],
)
def test_nothing_crosses_unasked(crossing, text):
    with pytest.raises(TypeError) as error:
        crossing(xp.asarray(A))
    assert str(error.value) == text


@pytest.mark.parametrize("name", ["errstate", "vecdot", "insert", "random", "no_such_function"])
def test_what_cupy_has_not(name):
    with pytest.raises(AttributeError) as error:
        getattr(xp, name)
    assert str(error.value) == f"module 'mpitrain.emulated' has no attribute {name!r}: CuPy has none, or we use none"


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_types_are_summed_in_float32(dtype):
    """Ones in steps of 1: in float16 the sum would stay at 2048, in bfloat16 at 256."""
    ones = xp.ones((1, 3000), dtype)
    expected = np.float32(3000).astype(dtype)
    for product in (xp.matmul(ones, ones.T), ones @ ones.T, xp.matmul(ones, ones.T, out=xp.empty((1, 1), dtype))):
        assert product.dtype == dtype and product.get()[0, 0] == expected
    assert ones.sum().dtype == dtype and ones.sum().get() == expected
    assert xp.sum(ones, dtype=np.float32).get() == 3000


def test_waiting_for_the_device_is_counted():
    a = xp.asarray(A)
    before = synchronisations()
    (a * 2).sum(axis=0)[1:].reshape(-1)[xp.asarray([0])] += 1
    assert synchronisations() == before
    for number, wait in enumerate(
        (a.get, a[0, 0].item, lambda: float(a[0, 0]), lambda: a[a > 0], lambda: bool(a[0, 0]))
    ):
        wait()
        assert synchronisations() == before + number + 1
