"""A fully convolutional network over series or sound (Wang et al. 2017, section III.B).

Three 1-D convolutions, each normalised and with a ReLU, then the mean over time: the length does not matter, and there
is nothing to choose but the widths. The paper's are 128, 256, 128 with kernels of 8, 5 and 3.
"""

from mpitrain.models.normalised import NORMALISATIONS
from mpitrain.nn.activation import ReLU
from mpitrain.nn.convolution import Conv1d
from mpitrain.nn.initialise import lecun_normal
from mpitrain.nn.layer import Layer
from mpitrain.nn.linear import Linear
from mpitrain.nn.pooling import GlobalAveragePool
from mpitrain.nn.sequential import Sequential

KERNELS = (7, 5, 3)  # odd ones, so that the length stays


def wav(inputs: int, classes: int, channels: tuple[int, ...] = (64, 128, 64), batch_norm: str = "sync") -> Sequential:
    """Takes (batch, length, inputs) to (batch, classes) logits; as many convolutions as `channels`, at most three."""
    layers: dict[str, Layer] = {}
    for number, (outputs, kernel) in enumerate(zip(channels, KERNELS, strict=False), start=1):
        layers[f"conv{number}"] = Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        layers[f"norm{number}"] = NORMALISATIONS[batch_norm](outputs)
        layers[f"relu{number}"] = ReLU(in_place=True)
        inputs = outputs
    return Sequential(**layers, mean=GlobalAveragePool(), fc=Linear(inputs, classes, initialise=lecun_normal))
