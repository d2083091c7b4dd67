"""LayerNorm, RMSNorm and Embedding, and their gradients, against PyTorch's, on random shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Call, Embedding, LayerNorm, Layout, RMSNorm

torch = pytest.importorskip("torch")


def bound(layer, generator):
    """The layer's numbers and gradients by name, on random values."""
    layout = Layout.of(layer)
    values, gradients = generator.standard_normal((2, layout.count))
    layout.bind(layer, values, gradients)
    return layout.named(values), layout.named(gradients)


@given(
    kind=st.sampled_from(["LayerNorm", "RMSNorm"]), shape=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    seed=st.integers(0, 99), shift=st.sampled_from([0, 30]),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_norms(kind, shape, seed, shift):
    width, generator = shape[-1], np.random.default_rng(seed)
    ours, theirs = (
        (LayerNorm(width, 1e-3), torch.nn.LayerNorm(width, 1e-3, dtype=torch.float64))
        if kind == "LayerNorm"
        else (RMSNorm(width, 1e-3), torch.nn.RMSNorm(width, 1e-3, dtype=torch.float64))
    )
    values, slopes = bound(ours, generator)
    x, dy = generator.standard_normal((2, *shape))
    x += shift
    y, context = ours.forward(x, Call(True))
    dx = ours.backward(context, dy)
    parameters = list(zip(("weight", "bias"), values, strict=False))
    with torch.no_grad():
        for name, own in parameters:
            getattr(theirs, name).copy_(torch.tensor(values[own]))
    tensor = torch.tensor(x, requires_grad=True)
    result = theirs(tensor)
    result.backward(torch.tensor(dy))
    np.testing.assert_allclose(y, result.detach().numpy(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(dx, tensor.grad.numpy(), rtol=0, atol=1e-9)
    for name, own in parameters:
        np.testing.assert_allclose(slopes[own], getattr(theirs, name).grad.numpy(), rtol=0, atol=1e-10)


@given(
    count=st.integers(1, 9), width=st.integers(1, 5), shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=20, deadline=None)
def test_embedding(count, width, shape, seed):
    generator = np.random.default_rng(seed)
    ours, theirs = Embedding(count, width), torch.nn.Embedding(count, width, dtype=torch.float64)
    values, slopes = bound(ours, generator)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(values["weight"]))
    ids = generator.integers(0, count, shape)
    y, context = ours.forward(ids, Call(True))
    dy = generator.standard_normal(y.shape)
    ours.backward(context, dy)
    result = theirs(torch.tensor(ids))
    result.backward(torch.tensor(dy))
    np.testing.assert_array_equal(y, result.detach().numpy())
    np.testing.assert_allclose(slopes["weight"], theirs.weight.grad.numpy(), rtol=0, atol=1e-13)
