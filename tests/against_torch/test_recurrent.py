"""GRU and LSTM against PyTorch's, forward and autograd, on random shapes in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import GRU, LSTM, Call, Layout

torch = pytest.importorskip("torch")

# Where each of our gates stands in PyTorch's order.
ORDERS = {GRU: [0, 1, 2], LSTM: [0, 1, 3, 2]}
sides = st.integers(1, 5)


def as_ours(kind, of_theirs):
    """PyTorch's (gates hidden, ...) in our order of gates, and turned."""
    parts = np.split(np.asarray(of_theirs), len(ORDERS[kind]))
    return np.concatenate([parts[gate] for gate in ORDERS[kind]]).T


def named_as_ours(kind, weight_ih, weight_hh, bias_ih, bias_hh, hidden):
    """Values or gradients by our names, given PyTorch's; biases that only add up are in `bias`."""
    ours = {
        "input_weight": as_ours(kind, weight_ih),
        "state_weight": as_ours(kind, weight_hh),
        "bias": as_ours(kind, bias_ih),
    }
    if kind is GRU:
        ours["state_bias"] = bias_hh[2 * hidden :]
    return ours


@given(
    kind=st.sampled_from([GRU, LSTM]), batch=sides, length=sides, inputs=sides, hidden=sides, seed=st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_recurrent(kind, batch, length, inputs, hidden, seed):
    generator = np.random.default_rng(seed)
    x, dy = generator.standard_normal((batch, length, inputs)), generator.standard_normal((batch, length, hidden))
    theirs = {GRU: torch.nn.GRU, LSTM: torch.nn.LSTM}[kind](inputs, hidden, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        theirs.bias_hh_l0[: 2 * hidden if kind is GRU else None] = 0
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")

    layer = kind(inputs, hidden)
    layout = Layout.of(layer)
    values, gradients = np.empty(layout.count), np.empty(layout.count)
    layout.bind(layer, values, gradients)
    for name, value in named_as_ours(kind, *(getattr(theirs, name).detach().numpy() for name in names), hidden).items():
        layout.named(values)[name][...] = value
    y, context = layer.forward(x, Call(True))
    dx = layer.backward(context, dy)

    their_x = torch.tensor(x, requires_grad=True)
    result, _ = theirs(their_x)
    result.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, result.detach().numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dx, their_x.grad.numpy(), rtol=1e-9, atol=1e-12)
    slopes = named_as_ours(kind, *(getattr(theirs, name).grad.numpy() for name in names), hidden)
    for name, slope in slopes.items():
        np.testing.assert_allclose(layout.named(gradients)[name], slope, rtol=1e-9, atol=1e-12)
