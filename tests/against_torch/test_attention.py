"""Attention and its gradients against PyTorch's, on random shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Attention, Call, Layout

torch = pytest.importorskip("torch")


@given(
    heads=st.integers(1, 4), head=st.integers(1, 5), causal=st.booleans(), masked=st.booleans(),
    batch=st.integers(1, 4), length=st.integers(1, 80), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_attention(heads, head, causal, masked, batch, length, seed):
    width, generator = heads * head, np.random.default_rng(seed)
    layer = Attention(width, heads, causal)
    layout = Layout.of(layer)
    values, gradients = generator.standard_normal((2, layout.count))
    layout.bind(layer, values, gradients)
    named, slopes = layout.named(values), layout.named(gradients)
    x, dy = generator.standard_normal((2, batch, length, width))
    mask = generator.random((batch, length)) < 0.7
    mask[:, 0] = True  # PyTorch gives NaN for a position that sees nothing
    y, context = layer.forward(x, Call(True, mask=mask if masked else None))
    dx = layer.backward(context, dy)

    theirs = torch.nn.MultiheadAttention(width, heads, batch_first=True, dtype=torch.float64)
    parameters = (
        (theirs.in_proj_weight, "qkv.weight"),
        (theirs.in_proj_bias, "qkv.bias"),
        (theirs.out_proj.weight, "out.weight"),
        (theirs.out_proj.bias, "out.bias"),
    )
    with torch.no_grad():
        for parameter, name in parameters:
            parameter.copy_(torch.tensor(named[name].T))  # theirs are (outputs, inputs)
    tensor = torch.tensor(x, requires_grad=True)
    hidden = torch.tensor(~np.tri(length, dtype=bool)) if causal else None
    padding = torch.tensor(~mask) if masked else None
    result, _ = theirs(tensor, tensor, tensor, attn_mask=hidden, key_padding_mask=padding, need_weights=False)
    result.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, result.detach().numpy(), rtol=0, atol=1e-10)
    pairs = [(dx, tensor.grad.numpy())] + [(slopes[name], parameter.grad.numpy().T) for parameter, name in parameters]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max() + 1e-12)


@given(
    heads=st.integers(1, 3), half=st.integers(1, 3), causal=st.booleans(), base=st.sampled_from([10.0, 10_000.0]),
    batch=st.integers(1, 3), length=st.integers(1, 70), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_rotary_attention(heads, half, causal, base, batch, length, seed):
    """Against the formula in complex numbers (Su et al. 2021, section 3.2), with PyTorch's softmax and gradients."""
    head = 2 * half
    width, generator = heads * head, np.random.default_rng(seed)
    layer = Attention(width, heads, causal, rotary=base, bias=False)
    layout = Layout.of(layer)
    values, gradients = generator.standard_normal((2, layout.count))
    layout.bind(layer, values, gradients)
    x, dy = generator.standard_normal((2, batch, length, width))
    y, context = layer.forward(x, Call(True))
    dx = layer.backward(context, dy)

    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in layout.named(values).items()}
    tensor = torch.tensor(x, requires_grad=True)
    q, k, v = (tensor @ tensors["qkv.weight"]).reshape(batch, length, 3, heads, head).permute(2, 0, 3, 1, 4)
    angles = torch.outer(torch.arange(length), base ** (-2 * torch.arange(half, dtype=torch.float64) / head))
    turns = torch.polar(torch.ones_like(angles), angles)
    q, k = (
        torch.view_as_real(torch.view_as_complex(z.reshape(*z.shape[:-1], half, 2).contiguous()) * turns).flatten(-2)
        for z in (q, k)
    )
    scores = q @ k.transpose(-1, -2) / head**0.5
    if causal:
        scores = scores.masked_fill(torch.tensor(~np.tri(length, dtype=bool)), -torch.inf)
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, width)
    result = mixed @ tensors["out.weight"]
    result.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, result.detach().numpy(), rtol=0, atol=1e-10)
    slopes = layout.named(gradients)
    for found, expected in [(dx, tensor.grad)] + [(slopes[name], tensors[name].grad) for name in tensors]:
        expected = expected.numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max() + 1e-12)
