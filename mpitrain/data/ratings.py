"""Ratings of items by users, from a CSV file: did the user like the item?

    user,item,rating[,more columns]         the first three by place, whatever they are called
    17,b-4,5,...                            liked: a rating of 4 or more

Every column but the rating is of ids: its values that occur in the part to train on are 1, 2, ... in order, all others
0. A further column with more than MOST_IDS different values that are all numbers is a feature instead. The other
features: the logarithms of how often user and item occur in the part to train on. (Not their mean ratings: with its
user's mean without itself a rating can be told, since the sum of all the user's ratings is learnt with the id.)

One row in ten is held out, by a hash of its number, so that it does not matter how a file is sorted. Columns are kept
as codes of 4 bytes; every rank reads all of the file, since ids are numbered by all of it.
"""

import csv
import gzip
import math
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar, NamedTuple

import numpy as np

from mpitrain.data.files import GZIP_MAGIC, size, unreadable
from mpitrain.data.rows import positions
from mpitrain.data.samples import Indices, Kind
from mpitrain.errors import UsageError

LIKED = 4.0
MOST_IDS = 100
NAMED = 3  # columns that have a meaning by their place


class Rows(NamedTuple):
    """Features float32 (n, features), ids int32 (n, columns), whether liked float32 (n,)."""

    features: np.ndarray
    ids: np.ndarray
    liked: np.ndarray


@dataclass(frozen=True, eq=False)
class Ratings:
    """Inputs are (float32 (n, features), int64 (n, columns)), targets float32 (n,), 1 for liked.

    `cardinalities`: ids of a column are less than this. Features have mean 0 and deviation 1 over the part to train on.
    """

    name: str
    cardinalities: tuple[int, ...]
    train: Rows
    test: Rows

    kind: ClassVar[Kind] = "table"
    classes: ClassVar[None] = None
    predictions: ClassVar[int] = 1
    streamed: ClassVar[bool] = False

    @property
    def shape(self) -> tuple[int, int]:
        """Features, and columns of ids."""
        return self.train.features.shape[1], self.train.ids.shape[1]

    @property
    def count(self) -> int:
        """Ratings to train on."""
        return len(self.train.liked)

    @property
    def test_count(self) -> int:
        """Ratings held out."""
        return len(self.test.liked)

    def batch(self, indices: Indices) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """These rows of the part to train on."""
        return _chosen(self.train, indices)

    def test_batch(self, indices: Indices) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """These rows of the part held out."""
        return _chosen(self.test, indices)


def _chosen(rows: Rows, indices: Indices) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    chosen = positions(indices, len(rows.liked))
    return (rows.features[chosen], rows.ids[chosen].astype(np.int64)), rows.liked[chosen]


@dataclass
class Column:
    """Values as codes in order of appearance."""

    name: str
    codes: array = field(default_factory=lambda: array("i"))
    known: dict[str, int] = field(default_factory=dict)

    def add(self, value: str) -> None:
        self.codes.append(self.known.setdefault(value, len(self.known)))

    def numbers(self) -> np.ndarray | None:
        """The values' numbers, float64, by code; None unless all are finite numbers."""
        try:
            numbers = np.array([float(value) for value in self.known])
        except ValueError:
            return None
        return numbers if np.isfinite(numbers).all() else None


def held_out(count: int) -> np.ndarray:
    """Which of so many rows are, bool. The hash is the end of SplitMix64 (G. Steele, D. Lea, C. Flood, 2014)."""
    z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) % np.uint64(10) == 0


def read_ratings(name: str, path: Path) -> Ratings:
    """The ratings in a file, plain or gzipped. UsageError, naming file and line, for what is none."""
    columns, ratings = _read(path)
    liked = (np.frombuffer(ratings, np.float64) >= LIKED).astype(np.float32)
    test = held_out(len(liked))
    for part, rows in (("to train on", liked[~test]), ("held out", liked[test])):
        if len(rows) == 0:
            raise UsageError(f"{path}: {len(liked)} ratings, none of them {part}, expected some dozens at least")
    if liked[~test].min() == liked[~test].max():
        raise UsageError(
            f"{path}: ratings from {min(ratings):g} to {max(ratings):g}, expected some of {LIKED:g} or more and some "
            f"of less; scale them to 1 to 5"
        )
    return _numbered(name, columns, liked, test)


def _numbered(name: str, columns: list[Column], liked: np.ndarray, test: np.ndarray) -> Ratings:
    features, ids, cardinalities = [], [], []
    for place, column in enumerate(columns):
        codes = np.frombuffer(column.codes, np.int32)
        numbers = column.numbers()
        if place >= NAMED - 1 and len(column.known) > MOST_IDS and numbers is not None:
            features.append(numbers[codes])
            continue
        seen = np.bincount(codes[~test], minlength=len(column.known))
        values = list(column.known) if numbers is None else numbers.tolist()
        order = sorted((code for code in range(len(seen)) if seen[code]), key=values.__getitem__)
        number = np.zeros(len(seen), np.int32)
        number[order] = np.arange(1, len(order) + 1)
        ids.append(number[codes])
        cardinalities.append(len(order) + 1)
        if place < NAMED - 1:
            features.append(np.log1p(seen)[codes])
    table = np.stack(features, axis=1)
    deviation = table[~test].std(axis=0)
    table = ((table - table[~test].mean(axis=0)) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    rows = Rows(table, np.stack(ids, axis=1), liked)
    return Ratings(name, tuple(cardinalities), Rows(*(a[~test] for a in rows)), Rows(*(a[test] for a in rows)))


def _read(path: Path) -> tuple[list[Column], array]:
    """All columns but the rating, and the ratings, float64."""
    lines = _lines(path)
    header = next(lines, [])
    if len(header) < NAMED:
        raise UsageError(f"{path}: {len(header)} columns, expected a header of user, item, rating and perhaps more")
    if _number(header[NAMED - 1]) is not None:
        raise UsageError(f"{path}: line 1 has a number for the rating, expected the names of the columns there")
    columns = [Column(name) for name in (*header[: NAMED - 1], *header[NAMED:])]
    ratings = array("d")
    for line, values in enumerate(lines, 2):
        if len(values) != len(header):
            raise UsageError(f"{path}: line {line} has {len(values)} values, expected {len(header)}; is it whole?")
        if "" in values:
            name = header[values.index("")]
            raise UsageError(f"{path}: line {line} has no {name}, expected a value in every column")
        rating = _number(values.pop(NAMED - 1))
        if rating is None:
            raise UsageError(f"{path}: line {line} has no number for the {header[NAMED - 1]}, expected one")
        ratings.append(rating)
        for column, value in zip(columns, values, strict=True):
            column.add(value)
    return columns, ratings


def _lines(path: Path) -> Iterator[list[str]]:
    """The values of each line, read as they are asked for."""
    expected = "a CSV file of ratings"
    if size(path, expected) == 0:
        raise UsageError(f"{path}: empty, expected {expected}")
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    opened: Callable[..., IO[str]] = gzip.open if packed else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file, strict=True)
    except (EOFError, gzip.BadGzipFile, zlib.error) as fault:
        raise UsageError(f"{path}: broken gzip ({fault}); fetch it again") from None
    except OSError as fault:
        raise unreadable(path, fault, expected) from None
    except (csv.Error, UnicodeDecodeError) as fault:
        raise UsageError(f"{path}: no CSV ({fault}), expected {expected}") from None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
