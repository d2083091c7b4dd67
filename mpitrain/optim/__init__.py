"""Optimisers over flat vectors, and learning rates as functions of the step. None knows of ranks."""

from mpitrain.optim.adagrad import Adagrad, Table
from mpitrain.optim.adam import Adam, AdamW
from mpitrain.optim.average import Average
from mpitrain.optim.clip import Clipped, clip_norm
from mpitrain.optim.lamb import LAMB
from mpitrain.optim.lars import LARS
from mpitrain.optim.lion import Lion
from mpitrain.optim.loss_scale import LossScale
from mpitrain.optim.optimiser import Optimiser
from mpitrain.optim.schedule import SCALINGS, SCHEDULES, linear_decay, scaled
from mpitrain.optim.sgd import SGD

OPTIMISERS: dict[str, type[Optimiser]] = {
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
    "adagrad": Adagrad,
    "lars": LARS,
    "lamb": LAMB,
    "lion": Lion,
}

__all__ = [
    "LAMB",
    "LARS",
    "OPTIMISERS",
    "SCALINGS",
    "SCHEDULES",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "Clipped",
    "Lion",
    "LossScale",
    "Optimiser",
    "Table",
    "clip_norm",
    "linear_decay",
    "scaled",
]
