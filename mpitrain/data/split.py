"""Which samples are held out, where a data set comes without such a part: by arithmetic, with no list of them.

The samples lie in a row. Of every `period` of them the last `held` are held out, also of what is left at the end:

    period 10, held 1                   . . . . . . . . . x . . . . . . . . . x . . .       every tenth
    period 40, held 4 of 400            36 . 4 x 36 . 4 x ...                               blocks all along the way

Blocks are for what is recorded in one go, such as frames of a drive: neighbours look alike, and a frame held out
between two others would be known.
"""

import math
from typing import NamedTuple

import numpy as np

from mpitrain.data.rows import Rows, in_files, positions
from mpitrain.data.samples import Indices

BLOCKS = 10


class Split(NamedTuple):
    """Of so many samples, `held` of every `period` are held out; `held` is less than `period`, or 1."""

    samples: int
    period: int
    held: int

    @classmethod
    def every_tenth(cls, samples: int) -> "Split":
        """For samples that have nothing to do with their neighbours."""
        return cls(samples, 10, 1)

    @classmethod
    def blocks(cls, samples: int) -> "Split":
        """The last tenth of each of ten equal stretches."""
        period = math.ceil(samples / BLOCKS)
        return cls(samples, period, max(1, period // 10))

    @property
    def test_count(self) -> int:
        whole, rest = divmod(self.samples, self.period)
        return whole * self.held + max(0, rest - (self.period - self.held))

    @property
    def train_count(self) -> int:
        return self.samples - self.test_count

    def train(self, i: np.ndarray) -> np.ndarray:
        """Where the samples to train on lie among all."""
        stretch, place = np.divmod(i, self.period - self.held)
        return stretch * self.period + place

    def test(self, i: np.ndarray) -> np.ndarray:
        """Where the samples held out lie among all."""
        stretch, place = np.divmod(i, self.held)
        return stretch * self.period + (self.period - self.held) + place


class Part:
    """The rows to train on, or those held out, of rows that hold both."""

    def __init__(self, rows: Rows, split: Split, held_out: bool):
        self.rows = rows
        self.shape = (split.test_count if held_out else split.train_count, *rows.shape[1:])
        self.dtype = rows.dtype
        self.in_files = in_files(rows)
        self._place = split.test if held_out else split.train

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Indices) -> np.ndarray:
        return np.asarray(self.rows[self._place(positions(indices, len(self)))])
