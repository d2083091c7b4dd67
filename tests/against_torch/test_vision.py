"""Convolutions, pooling and batch normalisation against PyTorch's, with their gradients, on random shapes."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mpitrain.nn import (
    AveragePool1d,
    AveragePool2d,
    BatchNorm,
    Call,
    Conv1d,
    Conv2d,
    ConvTranspose2d,
    GlobalAveragePool,
    Layout,
    MaxPool1d,
    MaxPool2d,
)

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
small = st.tuples(st.integers(0, 2), st.integers(0, 2))
dilations = st.tuples(st.integers(1, 3), st.integers(1, 3))
sides = st.tuples(st.integers(1, 9), st.integers(1, 9))
groups, channels, batches = st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)


def bound(layer):
    """The layer's numbers and gradients by name, on random values."""
    layout = Layout.of(layer)
    values, gradients = np.random.default_rng(layout.count).standard_normal((2, layout.count))
    layout.bind(layer, values, gradients)
    return layout.named(values), layout.named(gradients)


def images(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape)


def to_torch(x):
    """Channels last to channels first, in a leaf of its own."""
    return torch.tensor(np.moveaxis(x, -1, 1).copy(), requires_grad=True)


def check(ours, theirs, x, call=Call(True)):  # noqa: B008
    """Asserts equal results and input gradients; writes the gradients of the parameters of both."""
    y, context = ours.forward(x, call)
    dy = images(*y.shape)
    dx = ours.backward(context, dy)
    tensor = to_torch(x)
    result = theirs(tensor)
    result.backward(to_torch(dy).detach())
    close(y, np.moveaxis(result.detach().numpy(), 1, -1))
    close(dx, np.moveaxis(tensor.grad.numpy(), 1, -1))


def close(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max(initial=1))


def check_convolution(ours, theirs, x, turn):
    """`turn` has the axes of our weight in the order of theirs."""
    values, gradients = bound(ours)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(turn(values["weight"])))
        if "bias" in values:
            theirs.bias.copy_(torch.tensor(values["bias"]))
    check(ours, theirs, x)
    close(turn(gradients["weight"]), theirs.weight.grad.numpy())
    if "bias" in values:
        close(gradients["bias"], theirs.bias.grad.numpy())


def outputs_first(weight):
    return weight.transpose(3, 2, 0, 1)


@given(
    batch=batches, image=sides, inputs=channels, outputs=channels, groups=groups, kernel=pairs, stride=pairs,
    padding=small, dilation=dilations, bias=st.booleans(),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_conv2d(batch, image, inputs, outputs, groups, kernel, stride, padding, dilation, bias):
    assume(all(s + 2 * p > (k - 1) * d for s, p, k, d in zip(image, padding, kernel, dilation, strict=True)))
    wide = inputs * groups, outputs * groups
    ours = Conv2d(*wide, kernel, stride, padding, dilation, groups, bias)
    theirs = torch.nn.Conv2d(*wide, kernel, stride, padding, dilation, groups, bias, dtype=torch.float64)
    check_convolution(ours, theirs, images(batch, *image, wide[0]), outputs_first)


@given(
    batch=batches, length=st.integers(1, 20), inputs=channels, outputs=channels, kernel=st.integers(1, 5),
    stride=st.integers(1, 4), padding=st.integers(0, 3), dilation=st.integers(1, 3),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_conv1d(batch, length, inputs, outputs, kernel, stride, padding, dilation):
    assume(length + 2 * padding > (kernel - 1) * dilation)
    ours = Conv1d(inputs, outputs, kernel, stride, padding, dilation)
    theirs = torch.nn.Conv1d(inputs, outputs, kernel, stride, padding, dilation, dtype=torch.float64)
    check_convolution(ours, theirs, images(batch, length, inputs), lambda weight: weight[0].transpose(2, 1, 0))


@given(
    batch=batches, image=st.tuples(st.integers(1, 5), st.integers(1, 5)), inputs=channels, outputs=channels,
    groups=groups, kernel=pairs, stride=pairs, padding=small, more=small, dilation=dilations,
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_conv_transpose2d(batch, image, inputs, outputs, groups, kernel, stride, padding, more, dilation):
    assume(all(one < other for one, other in zip(more, stride, strict=True)))
    result = ((n - 1) * s - 2 * p + d * (k - 1) + 1 + m for n, s, p, d, k, m in zip(
        image, stride, padding, dilation, kernel, more, strict=True))  # fmt: skip
    assume(min(result) >= 1)
    wide = inputs * groups, outputs * groups
    ours = ConvTranspose2d(*wide, kernel, stride, padding, more, dilation, groups)
    theirs = torch.nn.ConvTranspose2d(
        *wide, kernel, stride, padding, more, groups, dilation=dilation, dtype=torch.float64
    )

    def inputs_first(weight):  # (kernel, inputs of a group, all outputs) to (all inputs, outputs of a group, kernel)
        split = weight.reshape(*weight.shape[:3], groups, outputs).transpose(3, 2, 4, 0, 1)
        return split.reshape(wide[0], outputs, *kernel)

    check_convolution(ours, theirs, images(batch, *image, wide[0]), inputs_first)


@given(batch=batches, image=sides, channels=channels, kernel=pairs, stride=pairs, padding=small)
@settings(max_examples=50, deadline=None)
def test_pooling(batch, image, channels, kernel, stride, padding):
    assume(all(2 * p <= k and s + 2 * p >= k for s, p, k in zip(image, padding, kernel, strict=True)))
    x = images(batch, *image, channels)
    check(MaxPool2d(kernel, stride, padding), torch.nn.MaxPool2d(kernel, stride, padding), x)
    check(AveragePool2d(kernel, stride, padding), torch.nn.AvgPool2d(kernel, stride, padding), x)
    series, row = x[:, 0], (kernel[1], stride[1], padding[1])
    check(MaxPool1d(*row), torch.nn.MaxPool1d(*row), series)
    check(AveragePool1d(*row), torch.nn.AvgPool1d(*row), series)
    check(GlobalAveragePool(), lambda tensor: tensor.mean(dim=(2, 3)), x)


@given(
    batch=st.integers(2, 40), shape=st.lists(st.integers(1, 5), max_size=2), channels=st.integers(1, 9),
    shift=st.sampled_from([0, 30]), momentum=st.sampled_from([0.1, 0.5]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_batch_norm(batch, shape, channels, shift, momentum):
    ours = BatchNorm(channels, 1e-3, momentum)
    kind = (torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)[len(shape)]
    theirs = kind(channels, 1e-3, momentum, dtype=torch.float64)
    values, gradients = bound(ours)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(values["gain"]))
        theirs.bias.copy_(torch.tensor(values["bias"]))
    x = images(batch, *shape, channels) + shift
    for call in (Call(True), Call(True), Call(False)):
        theirs.train(call.training)
        theirs.zero_grad()
        # Evaluation reads float32 buffers; give the other its own.
        if not call.training:
            theirs.running_mean.copy_(torch.tensor(ours.state["mean"]))
            theirs.running_var.copy_(torch.tensor(ours.state["variance"]))
        check(ours, theirs, x, call)
        close(gradients["gain"], theirs.weight.grad.numpy())
        close(gradients["bias"], theirs.bias.grad.numpy())
        np.testing.assert_allclose(ours.state["mean"], theirs.running_mean.numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(ours.state["variance"], theirs.running_var.numpy(), rtol=1e-6, atol=1e-6)
