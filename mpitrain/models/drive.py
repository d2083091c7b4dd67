"""From what a camera sees to where to steer: PilotNet (Bojarski et al. 2016, figure 4) for small images.

Convolutions with strides instead of pools, since what matters is where things are; then linear layers down to the
numbers. The paper's images are 66 x 200 pixels, through five convolutions; here are as many as fit, three by default.
"""

from mpitrain.errors import UsageError
from mpitrain.nn.activation import ReLU
from mpitrain.nn.convolution import Conv2d
from mpitrain.nn.initialise import lecun_normal
from mpitrain.nn.layer import Layer
from mpitrain.nn.linear import Linear
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten


def drive(
    shape: tuple[int, ...], numbers: int = 1, channels: tuple[int, ...] = (24, 36, 48), hidden: tuple[int, ...] = (64,)
) -> Sequential:
    """Takes (batch, height, width, colours) images to (batch, numbers), one of which is an angle.

    Each convolution is 3 x 3 and halves the sides. Raises UsageError for images too small for that.
    """
    height, width, inputs = shape
    layers: dict[str, Layer] = {}
    for number, outputs in enumerate(channels, start=1):
        if min(height, width) < 2:
            raise UsageError(
                f"drive halves the image {len(channels)} times, which takes at least {2 ** len(channels)} x "
                f"{2 ** len(channels)} pixels, found {shape[0]} x {shape[1]}; give fewer channels"
            )
        layers[f"conv{number}"] = Conv2d(inputs, outputs, kernel=3, stride=2, padding=1)
        layers[f"relu{number}"] = ReLU()
        height, width, inputs = (height + 1) // 2, (width + 1) // 2, outputs
    layers["flatten"], features = Flatten(), height * width * inputs
    for number, outputs in enumerate(hidden, start=1):
        layers[f"fc{number}"] = Linear(features, outputs, activation="relu")
        features = outputs
    return Sequential(**layers, **{f"fc{len(hidden) + 1}": Linear(features, numbers, initialise=lecun_normal)})
