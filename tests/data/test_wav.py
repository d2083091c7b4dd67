"""Sounds from WAV files: one real sound in several widths, and every fault word by word."""

import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.errors import UsageError

PLUCK = Path(__file__).parent / "pluck"
LENGTH = 3307  # moments


@pytest.fixture
def folder(tmp_path):
    """Classes `low` and `string` of 6 files each: the real sound in 16 bits, in `low` a part of it."""
    for name in ("low", "string"):
        (tmp_path / name).mkdir()
        for i in range(6):
            shutil.copy(PLUCK / "pluck-pcm16.wav", tmp_path / name / f"{i}.wav")
    for i in range(6):
        write(tmp_path / "low" / f"{i}.wav", np.full((100 + i, 2), -i, np.int16))
    return tmp_path


def write(path, numbers, rate=11025):
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(numbers.shape[1])
        sound.setsampwidth(numbers.dtype.itemsize)
        sound.setframerate(rate)
        sound.writeframes(numbers.tobytes())


def real_sound():
    with wave.open(str(PLUCK / "pluck-pcm16.wav")) as sound:
        return np.frombuffer(sound.readframes(LENGTH), "<i2").reshape(-1, 2)


def refused(folder):
    with pytest.raises(UsageError) as error:
        load("wav", folder)
    return str(error.value)


def test_contents(folder):
    (folder / ".hidden").touch()
    (folder / "low" / ".hidden").touch()
    data = load("wav", folder)
    assert (data.kind, data.shape, data.classes, data.count, data.test_count) == ("series", (LENGTH, 2), 2, 11, 1)
    np.testing.assert_array_equal(data.train_targets[:], [0] * 6 + [1] * 5)
    np.testing.assert_array_equal(data.train_inputs[np.array([7])][0], real_sound() / np.float32(32768))
    low = data.train_inputs[np.array([3])][0]
    assert (low[:103] == np.float32(-3 / 32768)).all() and np.isnan(low[103:]).all()
    sounds, labels = data.batch(np.array([3, 7]))
    assert not sounds[0, 103:].any() and sounds.dtype == np.float32 and labels.tolist() == [0, 1]
    np.testing.assert_array_equal(data.test_batch(slice(None))[0][0], sounds[1])


def test_one_sound_in_every_width(folder):
    """The files agree to what their bits can tell."""
    for i, width in enumerate((8, 16, 24)):
        shutil.copy(PLUCK / f"pluck-pcm{width}.wav", folder / "string" / f"{i}.wav")
    write(folder / "string" / "3.wav", real_sound().astype(np.int32) << 16)
    write(folder / "low" / "0.wav", np.array([[128, 0], [192, 255]], np.uint8))
    data = load("wav", folder)
    np.testing.assert_array_equal(data.train_inputs[np.array([0])][0, :2], [[0, -1], [0.5, 127 / 128]])  # by the format
    eight, sixteen, twenty_four, thirty_two = data.train_inputs[np.arange(6, 10)].astype(np.float64)
    np.testing.assert_array_equal(sixteen, thirty_two)
    assert -1 <= twenty_four.min() < -0.1 and 0.1 < twenty_four.max() < 1
    for coarse, apart in ((eight, 1 / 120), (sixteen, 1 / 4096)):  # 8 bits rounded down, 16 with a little noise
        assert np.abs(twenty_four - coarse).max() < apart


PATH = "string/2.wav"
WHOLE = (PLUCK / "pluck-pcm16.wav").read_bytes()


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "no WAV file (it ends in the header), expected whole numbers, not compressed"),
        (WHOLE[:30], "no WAV file (it ends in the header), expected whole numbers, not compressed"),
        (b"FORM" + WHOLE[4:], "no WAV file (file does not start with RIFF id), expected whole numbers, not compressed"),
        (WHOLE[:20] + b"\3" + WHOLE[21:], "no WAV file (unknown format: 3), expected whole numbers, not compressed"),
        (WHOLE[:-200], "truncated, 13126 bytes of sound where 13228 are said; fetch it again"),
    ],
)
def test_damaged_files(folder, content, line):
    (folder / PATH).write_bytes(content)
    found = refused(folder)
    if "truncated" in line:
        nbytes = 4 * LENGTH
        line = line.replace("13126", str(nbytes - 200 + len(WHOLE) - WHOLE.index(b"data") - 8 - nbytes))
        line = line.replace("13228", str(nbytes))
    assert found == f"{folder}/{PATH}: {line}"


def test_sounds_that_do_not_fit(folder):
    write(folder / PATH, real_sound()[:, :1].copy())
    assert refused(folder) == (f"{folder}/{PATH}: 1 channels at 11025 Hz, expected 2 at 11025 Hz, as in 0.wav")
    write(folder / PATH, real_sound(), rate=8000)
    assert refused(folder) == f"{folder}/{PATH}: 2 channels at 8000 Hz, expected 2 at 11025 Hz, as in 0.wav"
    write(folder / PATH, real_sound()[:0])
    assert refused(folder) == f"{folder}/{PATH}: 0 moments of 16 bits, expected some of 8 to 32 bits"


def test_folders_that_are_none(folder):
    classes = "expected two folders or more, one a class, and nothing beside them"
    shutil.rmtree(folder / "low")
    assert refused(folder) == f"{folder}: 1 folders, {classes}"
    (folder / "low").mkdir()
    assert refused(folder) == f"{folder}/low: no files, expected WAV files of class low"
    shutil.copy(folder / PATH, folder / "low" / "a.wav")
    assert refused(folder) == f"{folder}: 7 WAV files, expected at least 10, of which one is held out"
    shutil.copy(folder / PATH, folder / "z.wav")
    assert refused(folder) == f"{folder}: z.wav, {classes}"


def test_a_sound_that_changes_meanwhile(folder):
    data = load("wav", folder)
    (folder / PATH).write_bytes(WHOLE[:-200])
    with pytest.raises(UsageError) as error:
        data.train_inputs[np.array([8])]
    assert str(error.value) == (
        f"{folder}/{PATH}: not what it was when training began, expected the same sound; begin again"
    )
