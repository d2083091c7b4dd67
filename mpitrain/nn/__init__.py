"""Neural network layers in explicit form: numbers bound from outside, forward and backward with nothing in between."""

from mpitrain.nn.activation import ReLU
from mpitrain.nn.convolution import Conv2d
from mpitrain.nn.layer import Call, Layer, Parameter
from mpitrain.nn.layout import Layout, Slot
from mpitrain.nn.linear import Linear
from mpitrain.nn.loss import softmax_cross_entropy
from mpitrain.nn.pooling import MaxPool2d
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten

__all__ = [
    "Call",
    "Conv2d",
    "Flatten",
    "Layer",
    "Layout",
    "Linear",
    "MaxPool2d",
    "Parameter",
    "ReLU",
    "Sequential",
    "Slot",
    "softmax_cross_entropy",
]
