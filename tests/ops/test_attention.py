"""Attention proper, against the formula written out, and what memory it takes."""

import math
import tracemalloc

import numpy as np
import pytest

from mpitrain.ops import attention as module
from mpitrain.ops.attention import attention, attention_backward
from mpitrain.ops.rotary import rotate


def written_out(q, k, v, scale, causal=False, mask=None):
    """The formula, and who sees whom, with all probabilities at once."""
    scores = scale * np.einsum("bihd,bjhd->bhij", q, k)
    seen = np.ones((len(q), 1, q.shape[1], k.shape[1]), bool)
    if causal:
        seen &= np.tri(q.shape[1], k.shape[1], k.shape[1] - q.shape[1], dtype=bool)
    if mask is not None:
        seen &= mask[:, None, None, :]
    chances = np.where(seen, np.exp(scores), 0)
    total = chances.sum(axis=-1, keepdims=True)
    total = np.where(total > 0, total, 1)
    return np.einsum("bhij,bjhd->bihd", chances / total, v), np.log(total[..., 0])


def draw(batch, queries, keys, heads, width, seed=0):
    generator = np.random.default_rng(seed)
    return (
        generator.standard_normal((batch, queries, heads, width)),
        generator.standard_normal((batch, keys, heads, width)),
        generator.standard_normal((batch, keys, heads, width)),
    )


SHAPES = [(1, 1, 1, 1, 1), (3, 5, 5, 2, 4), (2, 3, 8, 3, 2), (2, 17, 17, 2, 3), (1, 1, 9, 2, 3)]
rooms = pytest.mark.parametrize(("room", "most", "fewest"), [(1 << 18, 64, 16), (40, 4, 2), (1, 1, 1)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("causal", [False, True])
@rooms
def test_it_is_the_formula(shape, causal, room, most, fewest, monkeypatch):
    for name, value in (("ROOM", room), ("QUERIES", most), ("FEWEST", fewest)):
        monkeypatch.setattr(module, name, value)
    q, k, v = draw(*shape)
    mask = np.random.default_rng(2).random((shape[0], shape[2])) < 0.7
    for hidden in (None, mask):
        y, logsumexp = attention(q, k, v, 0.6, causal, hidden)
        expected, expected_log = written_out(q, k, v, 0.6, causal, hidden)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
        some = np.isfinite(logsumexp)
        np.testing.assert_allclose(logsumexp[some], expected_log[some], rtol=1e-12, atol=1e-13)
        assert (y.swapaxes(1, 2)[~some] == 0).all()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@rooms
def test_its_slopes(causal, masked, room, most, fewest, monkeypatch):
    for name, value in (("ROOM", room), ("QUERIES", most), ("FEWEST", fewest)):
        monkeypatch.setattr(module, name, value)
    q, k, v = draw(2, 5, 6, 2, 3)
    mask = np.array([[True, False, True, False, True, True], [False] * 6]) if masked else None
    dy = draw(2, 5, 6, 2, 3, seed=1)[0]
    y, logsumexp = attention(q, k, v, 0.6, causal, mask)
    slopes = tuple(np.full(x.shape, np.nan) for x in (q, k, v))
    attention_backward(q, k, v, y, logsumexp, dy, slopes, 0.6, causal, mask)
    for x, found in zip((q, k, v), slopes, strict=True):
        kept = x.copy()
        for direction in np.random.default_rng(3).standard_normal((20, *x.shape)):
            sides = []
            for step in (1e-5, -1e-5):
                x[...] = kept + step * direction
                sides.append((written_out(q, k, v, 0.6, causal, mask)[0] * dy).sum())
            expected = (sides[0] - sides[1]) / 2e-5
            np.testing.assert_allclose((found * direction).sum(), expected, rtol=0, atol=1e-8)
        x[...] = kept


def test_large_scores_do_not_overflow():
    q, k, v = draw(1, 4, 4, 1, 2)
    y, logsumexp = attention(q * 1000, k * 1000, v, 1.0)
    nearest = np.einsum("bihd,bjhd->bhij", q, k).argmax(axis=-1)[0, 0]
    np.testing.assert_allclose(y[0, :, 0], v[0, nearest, 0])
    assert np.isfinite(logsumexp).all()


def test_memory_grows_with_the_sequence_not_its_square(monkeypatch):
    monkeypatch.setattr(module, "empty", np.empty)  # lent memory may be there already
    monkeypatch.setattr(module, "ROOM", 1 << 14)  # else the smaller scratch is the cache's

    def peak(length):
        q, k, v = (np.ones((1, length, 1, 8), np.float32) for _ in range(3))
        slopes = tuple(np.empty_like(x) for x in (q, k, v))
        tracemalloc.start()
        y, logsumexp = attention(q, k, v, 1.0, causal=True)
        attention_backward(q, k, v, y, logsumexp, y, slopes, 1.0, causal=True)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    short, long = peak(1024), peak(4096)
    assert long < 4.4 * short
    assert long < 4096 * 4096 * 4 / 30, "a square of float32 is 64 MiB"


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16"])
def test_half_types(dtype):
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    q, k, v = (x.astype(dtype) for x in draw(2, 5, 5, 2, 4))
    y, logsumexp = attention(q, k, v, 0.5, causal=True)
    wide = [x.astype(float) for x in (q, k, v)]
    expected, log = attention(*wide, 0.5, causal=True)
    assert (y.dtype, logsumexp.dtype) == (dtype, np.float32)
    tolerance = 1e-3 if dtype == np.float16 else 1e-2
    np.testing.assert_allclose(y.astype(float), expected, atol=tolerance)
    np.testing.assert_allclose(logsumexp, log, rtol=1e-5)
    slopes, right = tuple(np.empty_like(x) for x in (q, k, v)), tuple(np.empty_like(x) for x in wide)
    attention_backward(q, k, v, y, logsumexp, y, slopes, 0.5, causal=True)
    attention_backward(*wide, expected, log, expected, right, 0.5, causal=True)
    for found, whole in zip(slopes, right, strict=True):
        np.testing.assert_allclose(found.astype(float), whole, atol=10 * tolerance)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"v": np.zeros((2, 4, 1, 2))}, "keys and values must be (2, 4, 2, 2), found (2, 4, 2, 2) and (2, 4, 1, 2)"),
        ({"causal": True}, "causal attention of 5 queries to 4 keys: expected as many keys or more"),
        ({"mask": np.ones((2, 4))}, "the mask must be (2, 4) bool, found (2, 4) float64"),
    ],
)
def test_what_does_not_fit(change, text):
    q, k, v = draw(2, 5, 4, 2, 2)
    with pytest.raises(ValueError) as error:
        attention(**{"q": q, "k": k, "v": v, "scale": 1.0} | change)
    assert str(error.value) == text


def test_rotary_products_depend_on_the_distance_alone():
    generator = np.random.default_rng(0)
    q, k = (np.tile(generator.standard_normal((1, 1, 1, 6)), (1, 9, 1, 1)) for _ in range(2))
    rotate(q, 100.0)
    rotate(k, 100.0)
    products = np.einsum("bihd,bjhd->ij", q, k)
    for distance in range(-4, 5):
        np.testing.assert_allclose(np.diag(products, distance), np.diag(products, distance)[0], rtol=1e-12)
    assert len(np.unique(products[0].round(6))) == 9


def test_rotary_angles_are_those_of_the_paper():
    x = np.ones((1, 3, 2, 4))
    x[..., 1::2] = 0  # each pair is the complex number 1
    rotate(x, 16.0)
    for position in range(3):
        for pair, theta in enumerate((1, 1 / 4)):  # 16^(-2i / 4)
            expected = math.cos(position * theta), math.sin(position * theta)
            np.testing.assert_allclose(x[0, position, :, 2 * pair : 2 * pair + 2], [expected] * 2, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_rotary_back_undoes_it_and_leaves_the_rest(dtype):
    room = np.random.default_rng(0).standard_normal((2, 5, 3, 4)).astype(dtype)
    before = room.copy()
    rotate(room[:, :, :2], 100.0)
    assert (room[:, :, 2] == before[:, :, 2]).all() and (room[:, 1:, :2] != before[:, 1:, :2]).all()
    rotate(room[:, :, :2], 100.0, back=True)
    np.testing.assert_allclose(room, before, atol=10 * np.finfo(dtype).eps)
