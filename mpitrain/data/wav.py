"""Sounds in a folder of WAV files, one sub-folder a class. Headers are read once, sounds when a batch asks.

    folder/yes/0001.wav  folder/yes/0002.wav  folder/no/0001.wav ...

All have one rate and number of channels, whole numbers of 8, 16, 24 or 32 bits (what the standard library's `wave`
reads). Sounds shorter than the longest are filled up with silence. Every tenth file, in order of class and name, is
held out.
"""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mpitrain.data.files import check_folder, unreadable
from mpitrain.data.rows import positions
from mpitrain.data.samples import Indices
from mpitrain.data.series import Series
from mpitrain.data.split import Part, Split
from mpitrain.errors import UsageError

EXPECTED = "a WAV file"
FEWEST = 10  # files, so that one is held out


class Sound(NamedTuple):
    """What a file's header says; `width` is bytes in a number."""

    channels: int
    rate: int
    width: int
    length: int


class Sounds:
    """Files as rows (n, length, channels) of float32, -1 to 1; NaN after a sound's end."""

    dtype = np.dtype(np.float32)
    in_files = True

    def __init__(self, paths: list[Path], sounds: list[Sound]):
        self.paths, self.sounds = paths, sounds
        self.shape = (len(paths), max(sound.length for sound in sounds), sounds[0].channels)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Indices) -> np.ndarray:
        chosen = positions(indices, len(self))
        rows = np.full((len(chosen), *self.shape[1:]), np.nan, np.float32)
        for row, i in zip(rows, chosen.tolist(), strict=True):
            row[: self.sounds[i].length] = _read(self.paths[i], self.sounds[i])
        return rows


def read_wavs(name: str, folder: Path) -> Series:
    """The sounds in a folder. UsageError, naming folder or file, for what is none."""
    check_folder(folder, "folders of WAV files")
    classes = list(_visible(folder))
    if len(classes) < 2 or not all(path.is_dir() for path in classes):
        there = ", ".join(path.name for path in classes if not path.is_dir()) or f"{len(classes)} folders"
        raise UsageError(f"{folder}: {there}, expected two folders or more, one a class, and nothing beside them")
    paths, labels = [], []
    for label, class_folder in enumerate(classes):
        files = list(_visible(class_folder))
        if not files:
            raise UsageError(f"{class_folder}: no files, expected WAV files of class {class_folder.name}")
        paths += files
        labels += [label] * len(files)
    if len(paths) < FEWEST:
        raise UsageError(f"{folder}: {len(paths)} WAV files, expected at least {FEWEST}, of which one is held out")
    sounds = [_header(path) for path in paths]
    for path, sound in zip(paths, sounds, strict=True):
        if sound[:2] != sounds[0][:2]:
            raise UsageError(
                f"{path}: {sound.channels} channels at {sound.rate} Hz, expected {sounds[0].channels} at "
                f"{sounds[0].rate} Hz, as in {paths[0].name}"
            )
    rows, targets, split = Sounds(paths, sounds), np.array(labels), Split.every_tenth(len(paths))
    parts = (Part(array, split, held_out) for held_out in (False, True) for array in (rows, targets))
    return Series(name, len(classes), *parts)


def _visible(folder: Path) -> Iterator[Path]:
    """What is in a folder, in order of names, but for what is hidden."""
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def _header(path: Path) -> Sound:
    try:
        with path.open("rb") as file, wave.open(file) as sound:
            begin = file.tell()  # of the sound itself
            header = Sound(sound.getnchannels(), sound.getframerate(), sound.getsampwidth(), sound.getnframes())
            nbytes = file.seek(0, 2) - begin
    except OSError as fault:
        raise unreadable(path, fault, EXPECTED) from None
    except (wave.Error, EOFError) as fault:
        raise UsageError(f"{path}: no WAV file ({str(fault) or 'it ends in the header'}), expected whole numbers, "
                         f"not compressed") from None  # fmt: skip
    expected = header.length * header.channels * header.width
    if nbytes < expected:
        raise UsageError(f"{path}: truncated, {nbytes} bytes of sound where {expected} are said; fetch it again")
    if header.length == 0 or not 1 <= header.width <= 4:
        raise UsageError(f"{path}: {header.length} moments of {8 * header.width} bits, expected some of 8 to 32 bits")
    return header


def _read(path: Path, expected: Sound) -> np.ndarray:
    """Numbers (length, channels) float32."""
    try:
        with path.open("rb") as file, wave.open(file) as sound:
            content = sound.readframes(expected.length)
    except (OSError, wave.Error, EOFError):
        content = b""
    if len(content) != expected.length * expected.channels * expected.width:
        raise UsageError(f"{path}: not what it was when training began, expected the same sound; begin again")
    return _decoded(content, expected.width).reshape(expected.length, expected.channels)


def _decoded(content: bytes, width: int) -> np.ndarray:
    if width == 1:
        return (np.frombuffer(content, np.uint8).astype(np.float32) - 128) / 128
    if width == 3:  # into the upper bytes of four
        wide = np.zeros((len(content) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
        content, width = wide.tobytes(), 4
    return np.frombuffer(content, f"<i{width}").astype(np.float32) / (1 << (8 * width - 1))
