"""A data set of arrays with names: in a folder of .npy files, a .npz archive or a .safetensors file.

| name                          | holds                                                                     |
| images                        | (n, height, width) or (n, height, width, colours), uint8 or floats        |
| series                        | (n, length) or (n, length, channels), numbers; NaN is missing             |
| labels                        | (n,), whole numbers: the class of each                                    |
| targets, or angles            | (n,) or (n, values), numbers: what is to be predicted                     |
| test_images, test_labels, ... | the same of the samples held out                                          |

There are images or series, with labels or targets. Without `test_` arrays every tenth sample is held out; of samples
with targets, which are often recorded in one go, the last tenth of each of ten stretches. Arrays stay in their files.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mpitrain.data.dataset import Dataset
from mpitrain.data.files import check_folder
from mpitrain.data.folder import MOST_CLASSES
from mpitrain.data.npy import open_npy, open_npz
from mpitrain.data.rows import Rows
from mpitrain.data.safetensors import open_safetensors
from mpitrain.data.series import Series
from mpitrain.data.split import Part, Split
from mpitrain.errors import UsageError

INPUTS = {"images": 3, "series": 2}  # and the least number of dimensions
TARGETS = ("labels", "targets", "angles")
TEST = "test_"
MOST_COLOURS = 4
FEWEST = 10  # samples, where some are to be held out
AT_ONCE = 1 << 20  # numbers looked at together


def read_arrays(name: str, path: Path) -> Dataset | Series:
    """The data set in an archive or a folder. UsageError, naming file and array, for what is none."""
    if path.is_file():
        return _named(name, path, open_npz(path))
    check_folder(path, ".npy files")
    return _named(name, path, {file.stem: open_npy(file) for file in sorted(path.glob("*.npy"))})


def read_safetensors(name: str, path: Path) -> Dataset | Series:
    """The data set in a .safetensors file. UsageError, naming file and tensor, for what is none."""
    return _named(name, path, open_safetensors(path))


def _named(name: str, path: Path, arrays: Mapping[str, np.ndarray]) -> Dataset | Series:
    """The data set, once the arrays are what their names say and fit each other."""
    found = {array.removeprefix(TEST) for array in arrays}
    inputs, targets = sorted(found & set(INPUTS)), sorted(found & set(TARGETS))
    if len(inputs) != 1 or len(targets) != 1 or len(found) > 2:
        raise UsageError(
            f"{path}: arrays {', '.join(sorted(arrays)) or 'none'}, expected images or series, and labels, targets or "
            f"angles, perhaps also as {TEST}..."
        )
    pair = [inputs[0], targets[0]]
    missing = [array for array in pair if array not in arrays]
    if any(array.startswith(TEST) for array in arrays):
        missing += [TEST + array for array in pair if TEST + array not in arrays]
    if missing:
        raise UsageError(f"{path}: no {' and no '.join(missing)}, expected it beside {', '.join(sorted(arrays))}")
    held_out = len(arrays) > len(pair)
    train = _checked(path, pair, arrays)
    if held_out:
        test = _checked(path, [TEST + array for array in pair], arrays)
        for array, ours, theirs in zip(pair, train, test, strict=True):
            if ours.shape[1:] != theirs.shape[1:]:
                raise UsageError(f"{path}: {TEST}{array} of shape {theirs.shape}, expected {(-1, *ours.shape[1:])}")
        parts: tuple[Rows, Rows, Rows, Rows] = (*train, *test)
    else:
        parts = _split(path, train, labelled=pair[1] == "labels")
    classes = None
    if pair[1] == "labels":
        classes = 1 + max(_most(f"{path}: {array}", arrays[array]) for array in arrays if array.endswith("labels"))
    return (Dataset if pair[0] == "images" else Series)(name, classes, *parts)


def _checked(path: Path, pair: list[str], arrays: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets with all their dimensions."""
    inputs, targets = (arrays[name] for name in pair)
    kind, fewest = next((kind, fewest) for kind, fewest in INPUTS.items() if pair[0].endswith(kind))
    fits = kind == "series" or inputs.dtype == np.uint8 or inputs.dtype.kind == "f" or inputs.dtype.name == "bfloat16"
    if not (fits and fewest <= inputs.ndim <= fewest + 1):
        numbers = "uint8 or floats" if kind == "images" else "numbers"
        raise UsageError(
            f"{path}: {pair[0]}: {_kind(inputs)}, expected {fewest} or {fewest + 1} dimensions of {numbers}"
        )
    if kind == "images" and inputs.ndim == 4 and inputs.shape[3] > MOST_COLOURS:
        raise UsageError(
            f"{path}: {pair[0]}: {inputs.shape[3]} colours, expected 1 to {MOST_COLOURS}; store images as (n, height, "
            f"width, colours)"
        )
    if pair[1].endswith("labels"):
        if targets.ndim != 1 or targets.dtype.kind not in "iu":
            raise UsageError(f"{path}: {pair[1]}: {_kind(targets)}, expected 1 dimension of whole numbers")
    elif not 1 <= targets.ndim <= 2 or targets.dtype.kind not in "iuf":
        raise UsageError(f"{path}: {pair[1]}: {_kind(targets)}, expected 1 or 2 dimensions of numbers")
    else:
        _check_finite(f"{path}: {pair[1]}", targets)
        targets = targets.reshape(len(targets), -1)
    if len(inputs) != len(targets):
        raise UsageError(f"{path}: {pair[1]}: {len(targets)} of them, expected {len(inputs)}, as many as {pair[0]}")
    return inputs if inputs.ndim == fewest + 1 else inputs[..., np.newaxis], targets


def _split(path: Path, arrays: tuple[np.ndarray, np.ndarray], labelled: bool) -> tuple[Rows, Rows, Rows, Rows]:
    count = len(arrays[0])
    if count < FEWEST:
        raise UsageError(f"{path}: {count} samples, expected at least {FEWEST}, or {TEST}... arrays beside them")
    split = Split.every_tenth(count) if labelled else Split.blocks(count)
    train, test = (tuple(Part(array, split, held_out) for array in arrays) for held_out in (False, True))
    return train[0], train[1], test[0], test[1]


def _most(where: str, labels: np.ndarray) -> int:
    """The largest of them, all of which are checked, some at a time."""
    most = 0
    for start in range(0, len(labels), AT_ONCE):
        part = labels[start : start + AT_ONCE]
        wrong = (part < 0) | (part >= MOST_CLASSES)
        if wrong.any():
            place = int(wrong.argmax())
            raise UsageError(
                f"{where}: label {part[place]} of sample {start + place} is out of range, expected 0 to "
                f"{MOST_CLASSES - 1}"
            )
        most = max(most, int(part.max()))
    return most


def _check_finite(where: str, targets: np.ndarray) -> None:
    for start in range(0, len(targets), AT_ONCE):
        part = targets[start : start + AT_ONCE]
        wrong = ~np.isfinite(part).reshape(len(part), -1).all(axis=1)
        if wrong.any():
            place = int(wrong.argmax())
            raise UsageError(f"{where}: the target of sample {start + place} is no finite number, expected one")


def _kind(array: np.ndarray) -> str:
    return f"{array.ndim} dimension{'' if array.ndim == 1 else 's'} of {array.dtype.name}"
