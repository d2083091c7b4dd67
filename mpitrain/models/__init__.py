"""The models by name, and the recipe that trains each well when nobody says otherwise."""

from collections.abc import Callable
from typing import NamedTuple

from mpitrain.models.cnn import cnn
from mpitrain.models.mlp import mlp
from mpitrain.nn.sequential import Sequential

MODELS: dict[str, Callable[..., Sequential]] = {
    "mlp": mlp,
    "cnn": cnn,
}


class Recipe(NamedTuple):
    """What SGD with momentum 0.9 wants for one model; the learning rate is that of a global batch of 256 samples."""

    learning_rate: float
    weight_decay: float


RECIPES = {
    "mlp": Recipe(learning_rate=0.1, weight_decay=5e-4),
    "cnn": Recipe(learning_rate=0.06, weight_decay=5e-4),
}

__all__ = ["MODELS", "RECIPES", "Recipe", "cnn", "mlp"]
