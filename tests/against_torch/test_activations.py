"""Linear and the activations against PyTorch's autograd, on random shapes in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import GELU, Call, Layout, Linear, ReLU, Sigmoid, SiLU, Tanh

torch = pytest.importorskip("torch")

FUNCTIONS = {
    "identity": lambda x: x,
    "relu": torch.relu,
    "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
LAYERS = {"relu": ReLU, "gelu": GELU, "silu": SiLU, "tanh": Tanh, "sigmoid": Sigmoid}
sides = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def close(found, expected):
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-9, atol=1e-12)


@given(shape=sides, seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_activations(shape, seed):
    generator = np.random.default_rng(seed)
    x, dy = 3 * generator.standard_normal(shape), generator.standard_normal(shape)
    for name, layer in LAYERS.items():
        y, context = layer().forward(x, Call(True))
        theirs = torch.tensor(x, requires_grad=True)
        result = FUNCTIONS[name](theirs)
        result.backward(torch.tensor(dy))
        close(y, result)
        close(layer().backward(context, dy), theirs.grad)


@given(
    leading=sides,
    inputs=st.integers(1, 6),
    outputs=st.integers(1, 6),
    bias=st.booleans(),
    transposed=st.booleans(),
    activation=st.sampled_from(list(FUNCTIONS)),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_linear(leading, inputs, outputs, bias, transposed, activation, seed):
    generator = np.random.default_rng(seed)
    layer = Linear(inputs, outputs, bias=bias, transposed=transposed, activation=activation)
    layout = Layout.of(layer)
    values, gradients = generator.standard_normal(layout.count), np.empty(layout.count)
    layout.bind(layer, values, gradients)
    x, dy = generator.standard_normal((*leading, inputs)), generator.standard_normal((*leading, outputs))
    y, context = layer.forward(x, Call(True))
    dx = layer.backward(context, dy)

    ours = layout.named(values)
    weight = torch.tensor(ours["weight"] if transposed else ours["weight"].T, requires_grad=True)
    offset = torch.tensor(ours["bias"], requires_grad=True) if bias else None
    theirs = torch.tensor(x, requires_grad=True)
    result = FUNCTIONS[activation](torch.nn.functional.linear(theirs, weight, offset))
    result.backward(torch.tensor(dy))
    close(y, result)
    close(dx, theirs.grad)
    slopes = layout.named(gradients)
    close(slopes["weight"], weight.grad if transposed else weight.grad.T)
    if bias:
        close(slopes["bias"], offset.grad)
