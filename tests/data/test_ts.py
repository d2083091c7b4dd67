"""Series in .ts files: the embedded ones, small ones, and every fault word by word."""

import gzip

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.errors import UsageError

HEAD = "# made up\n@problemName Waves\n@timeStamps false\n@classLabel true up down\n@data\n"
TRAIN = HEAD + "1,2,3:4,5,6:up\n7,?:8,9:down\n\n"
TEST = HEAD + "1,2,3,4:0,0,0,0:down\n"


@pytest.fixture
def pair(tmp_path):
    def write(train=TRAIN, test=TEST):
        (tmp_path / "Waves_TRAIN.ts").write_text(train)
        (tmp_path / "Waves_TEST.ts").write_text(test)
        return tmp_path

    return write


def refused(folder):
    with pytest.raises(UsageError) as error:
        load("series", folder)
    return str(error.value)


def test_vowels_are_as_published():
    data = load("vowels")
    assert (data.kind, data.shape, data.classes, data.count, data.test_count) == ("series", (29, 12), 9, 270, 370)
    np.testing.assert_array_equal(data.train_targets, np.repeat(np.arange(9), 30))
    np.testing.assert_array_equal(np.bincount(data.test_targets), [31, 35, 88, 44, 29, 24, 40, 50, 29])
    lengths = (~np.isnan(np.concatenate([data.train_inputs, data.test_inputs])[:, :, 0])).sum(axis=1)
    assert lengths[0] == 20 and (lengths.min(), lengths.max()) == (7, 29)
    np.testing.assert_allclose(data.train_inputs[0, :3, 0], [1.860936, 1.891651, 1.939205], rtol=1e-6)


def test_contents(pair):
    data = load("series", pair())
    nan = np.nan
    np.testing.assert_array_equal(
        data.train_inputs,
        np.array([[[1, 4], [2, 5], [3, 6], [nan, nan]], [[7, 8], [nan, 9], [nan, nan], [nan, nan]]], np.float32),
    )
    np.testing.assert_array_equal(data.train_targets, [0, 1])
    np.testing.assert_array_equal(data.test_inputs[0, :, 0], [1, 2, 3, 4])
    series, targets = data.batch(np.array([1]))
    first, second = np.array([1, 2, 3, 7]), np.array([4, 5, 6, 8, 9])
    expected = np.zeros((1, 4, 2))
    expected[0, 0] = (7 - first.mean()) / first.std(), (8 - second.mean()) / second.std()
    expected[0, 1, 1] = (9 - second.mean()) / second.std()
    np.testing.assert_allclose(series, expected, rtol=1e-5)
    assert series.dtype == np.float32 and targets.tolist() == [1] and not np.isnan(data.train_inputs[0, :3]).any()


def test_numbers_to_predict_and_gzip(pair):
    folder = pair(*(text.replace("@classLabel true up down", "@targetlabel true").replace("up", "1.5")
                    .replace("down", "-2") for text in (TRAIN, TEST)))  # fmt: skip
    path = folder / "Waves_TEST.ts"
    (folder / "Waves_TEST.ts.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    data = load("series", folder)
    assert data.classes is None
    np.testing.assert_array_equal(data.batch(slice(None))[1], np.array([[1.5], [-2]], np.float32))
    np.testing.assert_array_equal(data.test_batch(slice(None))[1], np.array([[-2]], np.float32))


KEYS = (
    "@classlabel, @targetlabel, @data, @dimension, @dimensions, @equallength, @missing, @problemname, @serieslength, "
    "@timestamps, @univariate"
)


CLASSES = "expected @classLabel true and the names of two classes or more, or @targetLabel true"
NUMBERS = "expected numbers between commas"


@pytest.mark.parametrize(
    ("train", "line"),
    [
        ("", "no @data in 0 lines, expected a .ts file; is it whole?"),
        (HEAD[:-6], "no @data in 4 lines, expected a .ts file; is it whole?"),
        (HEAD, "no cases after @data, expected one a line; fetch it again"),
        ("user,item\n1,2\n", f"line 1: 'user,item' before @data, expected one of {KEYS}"),
        (TRAIN.replace("@problemName", "@relation"), f"line 2: '@relation Waves' before @data, expected one of {KEYS}"),
        (TRAIN.replace("@timeStamps false", "@timeStamps true"),
         "@timeStamps true, expected series without; take the times off"),
        (TRAIN.replace("@timeStamps false", "@dimensions many"),
         "@dimensions many, expected a number of channels, at least 1"),
        (TRAIN.replace("true up down", "false"), f"@classLabel false, {CLASSES}"),
        (TRAIN.replace("true up down", "true up up"), f"@classLabel true up up, {CLASSES}"),
        (TRAIN[:-9], "line 7: 1 channels and a label, expected 2; is it whole?"),
        (TRAIN.replace(":down\n", ":left\n"), "line 7: class 'left', expected one of up, down"),
        (TRAIN.replace("@classLabel true up down", "@targetLabel true"), "line 6: target 'up', expected a number"),
        (TRAIN.replace("8,9", "8,x"), f"line 7: could not convert string to float: 'x', {NUMBERS}"),
        (TRAIN.replace("8,9", "8,"), f"line 7: could not convert string to float: '', {NUMBERS}"),
        (TRAIN.replace("8,9", "8,inf"), "line 7: a number that is infinite, expected finite ones or ?"),
        (TRAIN.replace("7,?:8,9:down", "7,?:down"), "cases of 1 and of 2 channels, expected one number"),
    ],
)  # fmt: skip
def test_damaged_files(pair, train, line):
    if "expected 2" in line:
        train = train.replace("@timeStamps false", "@dimensions 2")
    folder = pair(train)
    assert refused(folder) == f"{folder}/Waves_TRAIN.ts: {line}"


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (TEST.replace("true up down", "true down up"), "classes ('down', 'up'), expected ('up', 'down')"),
        (TEST.replace(":0,0,0,0", ""), "channels 1, expected 2"),
    ],
)
def test_a_pair_that_does_not_fit(pair, test, line):
    folder = pair(test=test)
    assert refused(folder) == f"{folder}/Waves_TEST.ts: {line}, as in Waves_TRAIN.ts"


def test_files_that_are_missing_too_many_or_no_text(pair):
    folder = pair()
    (folder / "Other_TEST.ts").touch()
    assert refused(folder) == (
        f"{folder}: files Other_TEST.ts, Waves_TEST.ts, expected one that ends in _TEST.ts or _TEST.ts.gz"
    )
    (folder / "Waves_TRAIN.ts").unlink()
    assert refused(folder) == f"{folder}: files none, expected one that ends in _TRAIN.ts or _TRAIN.ts.gz"
    (folder / "Waves_TRAIN.ts").write_bytes(b"@data\n\xff")
    (folder / "Other_TEST.ts").unlink()
    assert refused(folder) == (f"{folder}/Waves_TRAIN.ts: no text (invalid start byte at byte 6), expected a .ts file")
    path = folder / "Waves_TRAIN.ts"
    assert refused(path) == f"{path}: not a folder, expected one of .ts files; check --data-dir"
