"""Neural network layers in explicit form: numbers bound from outside, forward and backward with nothing in between."""

from mpitrain.nn.activation import ReLU
from mpitrain.nn.branches import Identity, Parallel, Residual
from mpitrain.nn.container import Container
from mpitrain.nn.convolution import Conv1d, Conv2d
from mpitrain.nn.layer import Buffer, Call, Layer, Parameter
from mpitrain.nn.layout import Layout, Slot
from mpitrain.nn.linear import Linear
from mpitrain.nn.loss import softmax_cross_entropy
from mpitrain.nn.pooling import AveragePool1d, AveragePool2d, GlobalAveragePool, MaxPool1d, MaxPool2d
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten
from mpitrain.nn.transposed import ConvTranspose2d

__all__ = [
    "AveragePool1d",
    "AveragePool2d",
    "Buffer",
    "Call",
    "Container",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "Layer",
    "Layout",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "Parallel",
    "Parameter",
    "ReLU",
    "Residual",
    "Sequential",
    "Slot",
    "softmax_cross_entropy",
]
