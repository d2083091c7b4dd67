"""The residual networks for small images (He et al. 2016, section 4.2): 6 n + 2 layers with weights.

A convolution, then three stages of n blocks on 16, 32 and 64 channels, each stage but the first halving the sides; then
the mean over all pixels and one linear layer. A block is two 3 x 3 convolutions, each normalised, and its input added.
Shortcuts have no parameters (option A of the paper): where the shape changes, every second pixel, and zeros for the new
channels.
"""

from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.models.normalised import NORMALISATIONS
from mpitrain.nn.activation import ReLU
from mpitrain.nn.branches import Residual
from mpitrain.nn.convolution import Conv2d
from mpitrain.nn.initialise import lecun_normal
from mpitrain.nn.layer import Array, Call, Layer
from mpitrain.nn.linear import Linear
from mpitrain.nn.pooling import GlobalAveragePool
from mpitrain.nn.sequential import Sequential

STAGES = (16, 32, 64)


class Subsample(Layer):
    """(batch, height, width, inputs) to every second pixel of it, with zeros for channels up to `outputs`."""

    def __init__(self, outputs: int):
        self.outputs = outputs

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 0

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        pixels = x[:, ::2, ::2]
        y = empty((*pixels.shape[:3], self.outputs), x.dtype, namespace(x))
        y[..., : x.shape[3]], y[..., x.shape[3] :] = pixels, 0
        return y, x.shape

    def backward_input(self, context: Any, dy: Array) -> Array:
        dx = empty(context, dy.dtype, namespace(dy))
        dx[...] = 0
        dx[:, ::2, ::2] = dy[..., : context[3]]
        return dx


def resnet(depth: int, shape: tuple[int, ...], classes: int, batch_norm: str = "sync") -> Sequential:
    """Takes (batch, height, width, colours) images to (batch, classes) logits; ValueError unless depth is 6 n + 2."""
    norm = NORMALISATIONS[batch_norm]
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise ValueError(f"depth {depth}: expected 6 n + 2, such as 20, 32, 44, 56")
    layers: dict[str, Layer] = {
        "conv": Conv2d(shape[2], STAGES[0], kernel=3, padding=1, bias=False),
        "norm": norm(STAGES[0]),
        "relu": ReLU(in_place=True),
    }
    inputs = STAGES[0]
    for stage, outputs in enumerate(STAGES, start=1):
        for number in range(1, blocks + 1):
            layers[f"block{stage}_{number}"] = _block(inputs, outputs, norm)
            inputs = outputs
    return Sequential(**layers, mean=GlobalAveragePool(), fc=Linear(inputs, classes, initialise=lecun_normal))


def _block(inputs: int, outputs: int, norm: Callable[[int], Layer]) -> Sequential:
    stride = 1 if inputs == outputs else 2
    body = Sequential(
        conv1=Conv2d(inputs, outputs, kernel=3, stride=stride, padding=1, bias=False),
        norm1=norm(outputs),
        relu1=ReLU(in_place=True),
        conv2=Conv2d(outputs, outputs, kernel=3, padding=1, bias=False),
        norm2=norm(outputs),
    )
    return Sequential(sum=Residual(body, None if stride == 1 else Subsample(outputs)), relu=ReLU(in_place=True))
