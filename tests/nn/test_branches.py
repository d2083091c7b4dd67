import numpy as np
import pytest

from mpitrain.nn import Embedding, Identity, Linear, Parallel, ReLU, Residual, Sequential


def test_residual_adds_its_input(bench):
    residual = bench(Residual(Sequential(fc=Linear(3, 3), relu=ReLU())))
    x = residual.draw(4, 3)
    y, _ = residual.forward(x)
    weight, bias = residual.values[:9].reshape(3, 3), residual.values[9:]
    np.testing.assert_allclose(y, x + np.maximum(x @ weight + bias, 0), rtol=1e-15)
    residual.check(x)
    residual.check_microbatches(x, cut=1)
    residual.check_empty(3)


def test_residual_with_a_shortcut_that_learns(bench):
    residual = bench(Residual(Linear(3, 2), shortcut=Linear(3, 2)))
    residual.check(residual.draw(4, 3))
    assert list(residual.layout.units) == ["body", "shortcut"]


def test_branches_are_concatenated_in_order(bench):
    parallel = bench(Parallel("concatenate", wide=Linear(3, 4), same=Identity(), narrow=Linear(3, 1)))
    x = parallel.draw(5, 3)
    y, _ = parallel.forward(x)
    assert y.shape == (5, 8)
    np.testing.assert_array_equal(y[:, 4:7], x)
    parallel.check(x)
    parallel.check_microbatches(x, cut=2)


def test_branches_of_which_none_has_a_gradient_of_its_input(bench):
    layer = bench(Parallel(words=Embedding(5, 3), shapes=Embedding(5, 3)))
    ids = np.array([[0, 4], [2, 2]])
    y, context = layer.forward(ids)
    assert layer.layer.backward_input(context, y) is layer.layer.backward(context, y) is None


def test_units_finish_in_the_order_of_the_layout(bench):
    layer = bench(Sequential(first=Linear(3, 3), both=Parallel(left=Linear(3, 2), right=Linear(3, 2))))
    y, context = layer.forward(layer.draw(4, 3))
    finished = []
    layer.layer.backward(context, y, finished=finished.append, input_gradient=False)
    assert finished == ["both.right", "both.left", "first"] == list(layer.layout.units)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Parallel("stack", a=ReLU()), "join 'stack': expected sum or concatenate"),
        (Parallel, "no branches: expected one or more"),
    ],
)
def test_what_cannot_be_joined(make, text):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == text
