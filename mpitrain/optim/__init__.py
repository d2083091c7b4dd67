"""Optimisers over flat vectors, and learning rates as functions of the step. None knows of ranks."""

from mpitrain.optim.schedule import linear_decay, scaled
from mpitrain.optim.sgd import SGD

__all__ = ["SGD", "linear_decay", "scaled"]
