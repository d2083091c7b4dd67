"""Sequential: names, the order in which it finishes, and what it leaves out when nobody wants the input's gradient."""

import numpy as np
import pytest

from mpitrain.nn import Call, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def network():
    return Sequential(
        scale=ReLU(),
        conv=Conv2d(2, 3, kernel=3, padding=1),
        pool=MaxPool2d(2),
        block=Sequential(flatten=Flatten(), fc1=Linear(12, 4), relu=ReLU(), fc2=Linear(4, 3)),
        last=Linear(3, 2),
    )


@pytest.fixture
def tried(bench):
    one = bench(network(), seed=3)
    return one, one.draw(2, 4, 4, 2)


def test_gradients(tried):
    one, x = tried
    one.check(x)


def test_microbatches(tried):
    one, x = tried
    one.check_microbatches(np.concatenate([x, -x, x[:1]]), cut=2)


def test_no_rows(tried):
    one, _ = tried
    one.check_empty(4, 4, 2)


def test_parameters_carry_the_path_of_names_in_forward_order():
    names = [parameter.name for parameter in network().parameters()]
    assert names == [
        "conv.weight",
        "conv.bias",
        "block.fc1.weight",
        "block.fc1.bias",
        "block.fc2.weight",
        "block.fc2.bias",
        "last.weight",
        "last.bias",
    ]


@pytest.mark.parametrize("input_gradient", [True, False])
def test_finished_comes_for_each_unit_as_soon_as_its_gradients_are_there(tried, input_gradient):
    one, x = tried
    y, context = one.forward(x)
    one.layer.backward(context, y)
    complete, heard = one.gradients.copy(), []
    one.gradients[:] = np.nan

    def finished(unit):
        heard.append(unit)
        ready = one.layout.units[unit].stop
        np.testing.assert_array_equal(one.gradients[:ready], complete[:ready])
        assert np.isnan(one.gradients[ready:]).all()

    one.layer.backward(one.forward(x)[1], y, finished=finished, input_gradient=input_gradient)
    assert heard == ["last", "block.fc2", "block.fc1", "conv"] == list(one.layout.units)


def test_nothing_below_the_first_parameters_runs_without_need(tried, monkeypatch):
    one, x = tried
    y, context = one.forward(x)
    for layer in ("scale", "conv"):
        monkeypatch.setattr(one.layer.layers[layer], "backward_input", lambda *_: pytest.fail("computed in vain"))
    assert one.layer.backward(context, y, input_gradient=False) is None


def test_without_parameters_nothing_runs():
    layer = Sequential(relu=ReLU(), flatten=Flatten())
    y, context = layer.forward(np.ones((2, 3)), Call(True))
    assert layer.backward(context, y, input_gradient=False) is None
    np.testing.assert_array_equal(layer.backward(layer.forward(y, Call(True))[1], y), y)
