"""Neural network layers in explicit form: numbers bound from outside, forward and backward with nothing in between."""

from mpitrain.nn.activation import GELU, ReLU, Sigmoid, SiLU, Tanh
from mpitrain.nn.attention import Attention
from mpitrain.nn.batch_norm import BatchNorm, SyncBatchNorm
from mpitrain.nn.branches import Identity, Parallel, Residual
from mpitrain.nn.container import Container
from mpitrain.nn.convolution import Conv1d, Conv2d
from mpitrain.nn.dropout import Dropout
from mpitrain.nn.embedding import Embedding
from mpitrain.nn.gru import GRU
from mpitrain.nn.layer import Buffer, Call, Layer, Parameter
from mpitrain.nn.layer_norm import LayerNorm
from mpitrain.nn.layout import Layout, Slot
from mpitrain.nn.linear import Linear
from mpitrain.nn.loss import Scored, binary_cross_entropy, huber, mean_squared_error, softmax_cross_entropy
from mpitrain.nn.lstm import LSTM
from mpitrain.nn.pooling import AveragePool1d, AveragePool2d, GlobalAveragePool, MaxPool1d, MaxPool2d
from mpitrain.nn.positions import LearnedPositions
from mpitrain.nn.rms_norm import RMSNorm
from mpitrain.nn.sequential import Sequential
from mpitrain.nn.shape import Flatten
from mpitrain.nn.transposed import ConvTranspose2d

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "Attention",
    "AveragePool1d",
    "AveragePool2d",
    "BatchNorm",
    "Buffer",
    "Call",
    "Container",
    "Conv1d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePool",
    "Identity",
    "Layer",
    "LayerNorm",
    "Layout",
    "LearnedPositions",
    "Linear",
    "MaxPool1d",
    "MaxPool2d",
    "Parallel",
    "Parameter",
    "RMSNorm",
    "ReLU",
    "Residual",
    "Scored",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Slot",
    "SyncBatchNorm",
    "Tanh",
    "binary_cross_entropy",
    "huber",
    "mean_squared_error",
    "softmax_cross_entropy",
]
