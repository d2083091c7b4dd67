"""Series in .ts files, a pair to train on and to test, as in the UEA and UCR archives. Plain or gzipped.

    # a comment
    @problemName JapaneseVowels
    @dimensions 12                          others: @univariate, @equalLength, @seriesLength, @missing, @timeStamps
    @classLabel true 1 2 3                  or @targetLabel true: a number to predict
    @data
    1.86,1.89,?:-0.2,-0.19,0.23:1           channel : channel : ... : class; ? is missing

Series of unequal lengths end in NaN. The numbers are kept as float32: about half of what the text takes. Format: A.
Bagnall et al., The UEA multivariate time series classification archive, 2018.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpitrain.data.files import check_folder, read
from mpitrain.data.series import Series
from mpitrain.errors import UsageError

KNOWN = ("classlabel", "targetlabel", "data", "dimension", "dimensions", "equallength", "missing", "problemname",
         "serieslength", "timestamps", "univariate")  # fmt: skip


class Header(NamedTuple):
    """`classes`: their names in order, or None if a number is to be predicted."""

    classes: tuple[str, ...] | None
    channels: int | None


class Cases(NamedTuple):
    """Series (n, length, channels) float32, and targets int64 (n,) or float32 (n, 1)."""

    header: Header
    series: np.ndarray
    targets: np.ndarray


def read_pair(name: str, folder: Path) -> Series:
    """The pair `..._TRAIN.ts` and `..._TEST.ts` in a folder, each perhaps with .gz. UsageError for any fault."""
    check_folder(folder, ".ts files")
    train_path, test_path = _find(folder, "_TRAIN"), _find(folder, "_TEST")
    train, test = read_ts(train_path), read_ts(test_path)
    for what, ours, theirs in (
        ("classes", train.header.classes, test.header.classes),
        ("channels", train.series.shape[2], test.series.shape[2]),
    ):
        if ours != theirs:
            raise UsageError(f"{test_path}: {what} {theirs}, expected {ours}, as in {train_path.name}")
    length = max(train.series.shape[1], test.series.shape[1])
    classes = None if train.header.classes is None else len(train.header.classes)
    return Series(
        name, classes, _lengthened(train.series, length), train.targets, _lengthened(test.series, length), test.targets
    )


def read_ts(path: Path) -> Cases:
    """What is in one file. UsageError, naming file and line, for what is not of this format."""
    try:
        lines = read(path, "a .ts file").decode().splitlines()
    except UnicodeDecodeError as fault:
        raise UsageError(f"{path}: no text ({fault.reason} at byte {fault.start}), expected a .ts file") from None
    begin, header = _header(path, lines)
    cases = [
        _case(f"{path}: line {number}", line.strip(), header)
        for number, line in enumerate(lines[begin:], begin + 1)
        if line.strip() and not line.startswith("#")
    ]
    if not cases:
        raise UsageError(f"{path}: no cases after @data, expected one a line; fetch it again")
    channels = {len(channels) for channels, _ in cases}
    if len(channels) > 1:
        raise UsageError(f"{path}: cases of {min(channels)} and of {max(channels)} channels, expected one number")
    length = max(max(map(len, channels)) for channels, _ in cases)
    series = np.full((len(cases), length, channels.pop()), np.nan, np.float32)
    for row, (case, _) in zip(series, cases, strict=True):
        for channel, values in enumerate(case):
            row[: len(values), channel] = values
    targets = np.array([target for _, target in cases])
    if header.classes is None:
        return Cases(header, series, targets.astype(np.float32)[:, np.newaxis])
    return Cases(header, series, targets.astype(np.int64))


def _find(folder: Path, part: str) -> Path:
    found = sorted(path for path in folder.iterdir() if path.name.endswith((f"{part}.ts", f"{part}.ts.gz")))
    if len(found) != 1:
        there = ", ".join(path.name for path in found) or "none"
        raise UsageError(f"{folder}: files {there}, expected one that ends in {part}.ts or {part}.ts.gz")
    return found[0]


def _header(path: Path, lines: list[str]) -> tuple[int, Header]:
    """Where the cases begin, and what was said of them."""
    said: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        key = words[0].removeprefix("@").lower()
        if not line.startswith("@") or key not in KNOWN:
            known = ", ".join(f"@{name}" for name in KNOWN)
            raise UsageError(f"{path}: line {number}: {line[:40]!r} before @data, expected one of {known}")
        if key == "data":
            return number, _told(path, said)
        said[key] = words[1:]
    raise UsageError(f"{path}: no @data in {len(lines)} lines, expected a .ts file; is it whole?")


def _told(path: Path, said: dict[str, list[str]]) -> Header:
    if said.get("timestamps", ["false"])[:1] != ["false"]:
        raise UsageError(f"{path}: @timeStamps true, expected series without; take the times off")
    sides = said.get("dimensions") or said.get("dimension")
    if sides and not (sides[0].isdecimal() and int(sides[0])):
        raise UsageError(f"{path}: @dimensions {sides[0]}, expected a number of channels, at least 1")
    channels = int(sides[0]) if sides else 1 if said.get("univariate") == ["true"] else None
    if said.get("targetlabel", [""])[0] == "true":
        return Header(None, channels)
    classes = said.get("classlabel", ["false"])
    if classes[0] != "true" or len(set(classes[1:])) != len(classes) - 1 or len(classes) < 3:
        raise UsageError(
            f"{path}: @classLabel {' '.join(classes)}, expected @classLabel true and the names of two classes or more, "
            f"or @targetLabel true"
        )
    return Header(tuple(classes[1:]), channels)


def _case(where: str, line: str, header: Header) -> tuple[list[np.ndarray], float]:
    *channels, label = line.split(":")
    if len(channels) != (header.channels or len(channels)) or not channels:
        raise UsageError(
            f"{where}: {len(channels)} channels and a label, expected {header.channels or 'some'}; is it whole?"
        )
    return [_numbers(where, channel) for channel in channels], _target(where, label.strip(), header.classes)


def _numbers(where: str, text: str) -> np.ndarray:
    try:
        numbers = np.array(text.replace("?", "nan").split(","), dtype=np.float32)
    except ValueError as fault:
        raise UsageError(f"{where}: {fault}, expected numbers between commas") from None
    if np.isinf(numbers).any():
        raise UsageError(f"{where}: a number that is infinite, expected finite ones or ?")
    return numbers


def _target(where: str, label: str, classes: tuple[str, ...] | None) -> float:
    if classes is not None:
        if label not in classes:
            raise UsageError(f"{where}: class {label!r}, expected one of {', '.join(classes)}")
        return classes.index(label)
    try:
        target = float(label)
    except ValueError:
        target = math.nan
    if not math.isfinite(target):
        raise UsageError(f"{where}: target {label!r}, expected a number")
    return target


def _lengthened(series: np.ndarray, length: int) -> np.ndarray:
    missing = ((0, 0), (0, length - series.shape[1]), (0, 0))
    return np.pad(series, missing, constant_values=np.nan)
