"""What passes cost, against counts by hand."""

import numpy as np

from mpitrain.models import cnn, mlp
from mpitrain.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from mpitrain.nn.cost import cost
from mpitrain.nn.layout import Layout


def cost_of(model, *shape):
    layout = Layout.of(model)
    layout.bind(model, *np.zeros((2, layout.count), np.float32))
    return cost(model, np.zeros(shape, np.float32))


def test_a_perceptron():
    """fc2's weights come first; its input's gradient, ReLU's and fc1's weights come before fc1 is finished."""
    found = cost_of(mlp(784, 10), 5, 784)
    fc1, relu, fc2 = 2 * 784 * 128, 128, 2 * 128 * 10
    assert found.forward == fc1 + relu + fc2
    assert found.backward == {"fc2": fc2, "fc1": fc2 + relu + fc1}


def test_convolutions_and_pools():
    """8 x 8 x 2 to 8 x 8 x 3 by 3 x 3 with padding, to 4 x 4 x 3 by 2 x 2."""
    model = Sequential(conv=Conv2d(2, 3, kernel=3, padding=1), pool=MaxPool2d(2), flat=Flatten(), fc=Linear(48, 7))
    found = cost_of(model, 2, 8, 8, 2)
    conv, pool, fc = 2 * 9 * 2 * 3 * 64, 4 * 48, 2 * 48 * 7
    assert found.forward == conv + pool + fc
    assert found.backward == {"fc": fc, "conv": fc + pool + conv}


def test_units_within_units_carry_their_path():
    model = Sequential(block=Sequential(a=Linear(2, 3), relu=ReLU()), b=Linear(3, 1))
    assert list(cost_of(model, 1, 2).backward) == ["b", "block.a"]


def test_every_unit_of_a_model_has_a_cost():
    model = cnn((28, 28, 1), 10)
    assert list(cost_of(model, 1, 28, 28, 1).backward) == [unit for unit, _ in model.units()]
