"""What training sees of a data set, whatever it is and wherever it lies."""

from typing import Literal, Protocol

import numpy as np

Kind = Literal["images", "text", "series", "table"]
Indices = np.ndarray | slice
Inputs = np.ndarray | tuple[np.ndarray, np.ndarray]


class Samples(Protocol):
    """A part to train on and a part held out.

    | kind   | one input                                             | one target                                     |
    | images | float32 (height, width, colours)                      | int64 class, or float32 (values,) (regression) |
    | text   | int64 (sequence,), bytes                              | int64 (sequence,), the bytes that come next    |
    | series | float32 (length, channels)                            | int64 class, or float32 (values,)              |
    | table  | float32 (features,) and int64 (columns,), two arrays  | float32, 1 or 0                                |

    Batches are host arrays with one more dimension in front: `batch` takes positions below `count`, `test_batch`
    below `test_count`. Normalisation is by numbers from the training part alone, the same on every rank.
    """

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input; of a table, the number of features and the number of columns of ids."""

    @property
    def classes(self) -> int | None:
        """Targets are less than this; None: targets are float32 numbers."""

    @property
    def count(self) -> int: ...

    @property
    def test_count(self) -> int: ...

    @property
    def predictions(self) -> int:
        """In one sample: 1, or as many as its sequence is long."""

    @property
    def streamed(self) -> bool:
        """A batch to train on is read from files when it is asked for, and so may be slow: worth asking for early."""

    def batch(self, indices: Indices, /) -> tuple[Inputs, np.ndarray]:
        """These samples of the part to train on."""

    def test_batch(self, indices: Indices, /) -> tuple[Inputs, np.ndarray]:
        """These samples of the part held out."""


class Table(Samples, Protocol):
    """Samples of the kind table."""

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """For each column of ids a number that all of them are less than."""
