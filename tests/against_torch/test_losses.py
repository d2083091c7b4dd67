"""The losses against PyTorch's, and their gradients against its autograd, on random shapes in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import binary_cross_entropy, huber, mean_squared_error, softmax_cross_entropy

torch = pytest.importorskip("torch")

sides = st.lists(st.integers(1, 6), min_size=1, max_size=3)
functional = torch.nn.functional
LOSSES = {
    mean_squared_error: functional.mse_loss,
    huber: functional.huber_loss,
    binary_cross_entropy: functional.binary_cross_entropy_with_logits,
}


def check(scored, loss, output, scale):
    (scale * loss).backward()
    assert scored.loss_sum == pytest.approx(loss.item(), rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(scored.gradient, output.grad.numpy(), rtol=1e-9, atol=1e-12)


@given(
    shape=sides,
    classes=st.integers(1, 9),
    smoothing=st.sampled_from([0.0, 0.1, 0.7]),
    ignore=st.sampled_from([None, -100, 0]),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_softmax_cross_entropy(shape, classes, smoothing, ignore, seed):
    generator = np.random.default_rng(seed)
    logits, labels = 3 * generator.standard_normal((*shape, classes)), generator.integers(0, classes, shape)
    if ignore is not None:
        labels[generator.random(shape) < 0.4] = ignore
    theirs = torch.tensor(logits, requires_grad=True)
    loss = functional.cross_entropy(
        theirs.reshape(-1, classes),
        torch.tensor(labels).reshape(-1),
        reduction="sum",
        label_smoothing=smoothing,
        ignore_index=-1 if ignore is None else ignore,
    )
    scored = softmax_cross_entropy(logits, labels, 0.3, smoothing, ignore)
    check(scored, loss, theirs, 0.3)
    assert scored.score_sum == ((logits.argmax(axis=-1) == labels) & (labels != ignore)).sum()


@given(shape=sides, seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_losses_of_numbers(shape, seed):
    generator = np.random.default_rng(seed)
    output, targets = 2 * generator.standard_normal(shape), generator.random(shape)
    for ours, loss in LOSSES.items():
        theirs = torch.tensor(output, requires_grad=True)
        check(ours(output, targets, 0.3), loss(theirs, torch.tensor(targets), reduction="sum"), theirs, 0.3)


@given(shape=sides, delta=st.floats(0.1, 3), seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_huber_of_any_delta(shape, delta, seed):
    output, targets = np.random.default_rng(seed).standard_normal((2, *shape))
    theirs = torch.tensor(output, requires_grad=True)
    loss = functional.huber_loss(theirs, torch.tensor(targets), reduction="sum", delta=delta)
    check(huber(output, targets, 0.3, delta), loss, theirs, 0.3)
