"""What a network is trained for: its loss, and the one number by which people judge it."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from mpitrain.nn.loss import binary_cross_entropy, huber, softmax_cross_entropy

Array = Any


class Score(NamedTuple):
    """`of(mean loss, mean score)`, means over predictions, is that number; `key` is its name in files, `label` its name
    on screen, and `text` the format in which it is shown there."""

    key: str
    label: str
    of: Callable[[float, float], float]
    text: str
    unit: str = ""

    def shown(self, value: float) -> str:
        return f"{value:{self.text}}{self.unit}"


class Task(NamedTuple):
    """`loss(output, targets, scale)` gives the sums of loss and score, and the gradient; see `nn/loss.py`.

    `targets` are classes or numbers.
    """

    loss: Callable[[Array, Array, float], Any]
    score: Score
    targets: str = "classes"


CLASSES = Task(softmax_cross_entropy, Score("accuracy", "accuracy", lambda loss, right: right, ".2%"))
NEXT_BYTE = Task(
    softmax_cross_entropy, Score("bits_per_byte", "bits per byte", lambda loss, right: loss / math.log(2), ".4f")
)
LIKED = Task(binary_cross_entropy, Score("accuracy", "accuracy", lambda loss, right: right, ".2%"), "numbers")
NUMBERS = Task(huber, Score("rmse", "RMSE", lambda loss, squares: math.sqrt(squares), ".4f"), "numbers")
