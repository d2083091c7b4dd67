"""Paths, buffers and tied weights: what containers share."""

import numpy as np
import pytest

from mpitrain.nn import Buffer, Call, Layer, Layout, Linear, Residual, Sequential


def tied(**more):
    return Sequential({"top.fc.weight": "bottom.weight"}, bottom=Linear(3, 3), top=Sequential(fc=Linear(3, 3)), **more)


def test_tied_weights_are_one_parameter(bench):
    layer = bench(tied())
    assert [parameter.name for parameter in layer.layer.parameters()] == ["bottom.weight", "bottom.bias", "top.fc.bias"]
    named = layer.layout.named(layer.values)
    x = layer.draw(4, 3)
    y, _ = layer.forward(x)
    weight = named["bottom.weight"]
    expected = (x @ weight + named["bottom.bias"]) @ weight + named["top.fc.bias"]
    np.testing.assert_allclose(y, expected, rtol=1e-12)


def test_the_gradients_of_both_uses_are_summed(bench):
    layer = bench(tied())
    layer.check(layer.draw(4, 3))
    layer.check_microbatches(layer.draw(5, 3), cut=2)


@pytest.mark.parametrize(
    "ties",
    [
        {"b.weight": "a.weight", "c.fc.weight": "a.weight"},
        {"c.fc.weight": "a.weight", "c.again.weight": "a.weight"},
        {"c.again.weight": "b.weight", "c.fc.weight": "b.weight", "b.bias": "a.bias"},
    ],
)
def test_several_layers_on_one_weight(bench, ties):
    inner = Sequential(fc=Linear(3, 3), again=Linear(3, 3))
    layer = bench(Sequential(ties, a=Linear(3, 3), b=Linear(3, 3), c=inner))
    layer.check(layer.draw(4, 3))
    layer.check_microbatches(layer.draw(5, 3), cut=2)


def test_a_unit_all_of_whose_parameters_are_tied_is_none(bench):
    layer = bench(Sequential({"b.weight": "a.weight", "b.bias": "a.bias"}, a=Linear(2, 2), b=Linear(2, 2)))
    y, context = layer.forward(layer.draw(3, 2))
    finished = []
    layer.layer.backward(context, y, finished=finished.append)
    assert finished == ["a"] == list(layer.layout.units)


@pytest.mark.parametrize(
    ("ties", "text"),
    [
        (
            {"b.wait": "a.weight"},
            "ties: no parameter b.wait, expected one of a.weight, a.bias, b.weight, b.bias, c.weight, c.bias",
        ),
        ({"b.weight": "a.bias"}, "ties: b.weight has shape (2, 2), expected that of a.bias, (2,)"),
        (
            {"a.weight": "b.weight"},
            "ties: b.weight does not come before a.weight, expected it in an earlier layer",
        ),
        (
            {"b.weight": "a.weight", "c.weight": "b.weight"},
            "ties: b.weight is tied itself, expected a.weight in its place",
        ),
    ],
)
def test_ties_that_cannot_be(ties, text):
    with pytest.raises(ValueError) as error:
        Sequential(ties, a=Linear(2, 2), b=Linear(2, 2), c=Linear(2, 2))
    assert str(error.value) == text


class Counter(Layer):
    """Counts the batches it has seen."""

    def buffers(self):
        return (Buffer("seen", (), 1.0), Buffer("table", (2, 3), 0.5))

    def forward(self, x, call):
        if call.training and not call.recomputing:
            self.state["seen"][...] += 1
        return x, None

    def backward_input(self, context, dy):
        return dy


def test_buffers_lie_in_a_vector_of_their_own():
    model = Sequential(fc=Linear(2, 2), inner=Residual(Sequential(counter=Counter())))
    layout = Layout.of(model)
    assert [buffer.name for buffer in layout.buffers] == ["inner.body.counter.seen", "inner.body.counter.table"]
    values, state = np.zeros((2, layout.count)), np.empty(layout.buffer_count, np.float32)
    layout.initialise_buffers(state)
    np.testing.assert_array_equal(state, [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    layout.bind(model, *values, state)

    for call in (Call(True), Call(True, recomputing=True), Call(False)):
        model.forward(np.zeros((1, 2)), call)
    assert state[0] == 2
    assert model.layers["inner"].layers["body"].layers["counter"].path == "inner.body.counter"


def test_a_vector_of_another_length_is_refused():
    layout = Layout.of(Sequential(counter=Counter()))
    with pytest.raises(ValueError) as error:
        layout.named_buffers(np.zeros(6))
    assert str(error.value) == "a vector of this layout's buffers has shape (7,), found (6,)"
