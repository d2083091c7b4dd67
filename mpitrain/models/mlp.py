"""The multilayer perceptron: 784-128-10 is the textbook example of data parallelism."""

import math

from mpitrain.nn.activation import ReLU
from mpitrain.nn.initialise import lecun_normal
from mpitrain.nn.layer import Layer
from mpitrain.nn.linear import Linear
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten


def mlp(inputs: int | tuple[int, ...], classes: int, hidden: tuple[int, ...] = (128,)) -> Sequential:
    """Takes (batch, ...) with `inputs` numbers a sample (or of that shape) to (batch, classes) logits."""
    features = math.prod(inputs) if isinstance(inputs, tuple) else inputs
    return Sequential(flatten=Flatten(), **fully_connected(features, classes, hidden))


def fully_connected(features: int, classes: int, hidden: tuple[int, ...]) -> dict[str, Layer]:
    """Linear layers with ReLUs between them: fc1, relu_fc1, fc2, ..., the last without a ReLU."""
    layers: dict[str, Layer] = {}
    for number, outputs in enumerate(hidden, start=1):
        layers[f"fc{number}"] = Linear(features, outputs)
        layers[f"relu_fc{number}"] = ReLU()
        features = outputs
    layers[f"fc{len(hidden) + 1}"] = Linear(features, classes, initialise=lecun_normal)
    return layers
