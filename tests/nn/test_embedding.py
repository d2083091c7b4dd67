"""Embedding and learned positions."""

import numpy as np
import pytest

from mpitrain.nn import Call, Embedding, LearnedPositions, Linear, Sequential

IDS = np.array([[4, 0, 4], [1, 4, 0]])


def test_a_row_for_each_id(bench):
    embedding = bench(Embedding(5, 2))
    y, _ = embedding.forward(IDS)
    np.testing.assert_array_equal(y, embedding.values.reshape(5, 2)[IDS])


def test_gradient_of_a_row_is_the_sum_over_its_places(bench):
    embedding = bench(Embedding(5, 2))
    y, context = embedding.forward(IDS)
    dy = embedding.draw(*y.shape)
    assert embedding.layer.backward(context, dy) is None
    expected = np.zeros((5, 2))
    for place, row in enumerate(IDS.ravel()):
        expected[row] += dy.reshape(-1, 2)[place]
    np.testing.assert_allclose(embedding.gradients, expected.ravel(), rtol=1e-14)
    embedding.layer.backward(context, dy, accumulate=True)
    np.testing.assert_allclose(embedding.gradients, 2 * expected.ravel(), rtol=1e-14)


def test_each_backward_has_the_same_bits(bench):
    embedding = bench(Embedding(3, 4))
    ids = np.random.default_rng(0).integers(0, 3, (50, 20))
    dy = np.random.default_rng(1).standard_normal((50, 20, 4)).astype(np.float32)
    found = []
    for _ in range(2):
        embedding.layer.backward_weights(ids, dy)
        found.append(embedding.gradients.copy())
    np.testing.assert_array_equal(*found)


def test_no_rows(bench):
    embedding = bench(Embedding(5, 2))
    y, context = embedding.forward(IDS[:0])
    assert y.shape == (0, 3, 2)
    embedding.layer.backward(context, y)
    np.testing.assert_array_equal(embedding.gradients, 0)


def test_first_in_a_network(bench):
    network = bench(Sequential(embed=Embedding(5, 3), fc=Linear(3, 3)))
    y, context = network.forward(IDS[0])
    finished = []
    assert network.layer.backward(context, y, finished=finished.append) is None
    assert finished == ["fc", "embed"]
    assert np.isfinite(network.gradients).all()


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16"])
def test_sums_of_half_types_are_rounded_once(bench, dtype):
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    embedding = bench(Embedding(2, 1))
    embedding.layer.gradients = {"weight": np.empty((2, 1), dtype)}
    # Added one by one, the ones would be lost beside 4096.
    embedding.layer.backward_weights(np.zeros(65, int), np.array([4096] + [1] * 64, dtype)[:, None])
    assert embedding.layer.gradients["weight"].tolist() == [[4160], [0]]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        ([[0, 1], [5, 7]], "id 5 at place (1, 0): expected 0 to 4, for a table of 5 rows"),
        ([[0, -1], [2, 9]], "id -1 at place (0, 1): expected 0 to 4, for a table of 5 rows"),
        ([0.0, 1.0], "an embedding takes integers, found float64"),
    ],
)
def test_what_is_not_in_the_table(bench, ids, text):
    with pytest.raises(ValueError) as error:
        bench(Embedding(5, 2)).forward(np.array(ids))
    assert str(error.value) == text


def test_learned_positions(bench):
    positions = bench(LearnedPositions(5, 2))
    x = positions.draw(3, 4, 2)
    y, _ = positions.forward(x)
    np.testing.assert_array_equal(y, x + positions.values.reshape(5, 2)[:4])
    positions.check(x)
    positions.check_microbatches(x, cut=1)
    positions.check_empty(4, 2)


def test_too_long_a_sequence(bench):
    with pytest.raises(ValueError) as error:
        bench(LearnedPositions(5, 2)).layer.forward(np.zeros((1, 6, 2)), Call(False))
    assert str(error.value) == "a sequence of 6: expected at most 5, for which there are positions"


def test_the_head_may_share_its_table(bench, slope):
    """The gradient of the table is the head's and, on top of it, the embedding's."""
    head = Linear(3, 5, bias=False, transposed=True)
    network = bench(Sequential({"head.weight": "embed.weight"}, embed=Embedding(5, 3), head=head))
    y, context = network.forward(IDS)
    dy = network.draw(*y.shape)
    network.layer.backward(context, dy)
    assert len(network.values) == 15
    network.close(network.gradients, slope(lambda: float((network.forward(IDS)[0] * dy).sum()), network.values))
