"""A small convolutional network in the manner of LeNet: blocks of convolution and pooling, then linear layers."""

from mpitrain.errors import UsageError
from mpitrain.models.mlp import fully_connected
from mpitrain.nn.activation import ReLU
from mpitrain.nn.convolution import Conv2d
from mpitrain.nn.layer import Layer
from mpitrain.nn.pooling import MaxPool2d
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten


def cnn(
    shape: tuple[int, ...], classes: int, channels: tuple[int, ...] = (32, 64), hidden: tuple[int, ...] = (128,)
) -> Sequential:
    """Takes (batch, height, width, colours) images of this `shape` to (batch, classes) logits.

    Each block is a 3 x 3 convolution that keeps the sides, a 2 x 2 max pool and a ReLU. The ReLU comes after the pool
    because it then has a quarter of the work; the two orders give the same numbers, since ReLU never falls.

    Raises UsageError for images too small to be halved by every block.
    """
    height, width, inputs = shape
    least = 2 ** len(channels)
    if min(height, width) < least:
        raise UsageError(
            f"cnn halves the image {len(channels)} times, which takes at least {least} x {least} pixels, found "
            f"{height} x {width}; give fewer channels, or take mlp"
        )
    layers: dict[str, Layer] = {}
    for number, outputs in enumerate(channels, start=1):
        layers[f"conv{number}"] = Conv2d(inputs, outputs, kernel=3, padding=1)
        layers[f"pool{number}"] = MaxPool2d(2)
        layers[f"relu{number}"] = ReLU()
        height, width, inputs = height // 2, width // 2, outputs
    return Sequential(**layers, flatten=Flatten(), **fully_connected(height * width * inputs, classes, hidden))
