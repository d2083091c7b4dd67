"""Ratings: the embedded ones, small ones, and every fault word by word."""

import codecs
import csv
import gzip
import zlib
from collections import Counter

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.data.catalogue import EMBEDDED_FOLDER
from mpitrain.data.ratings import held_out
from mpitrain.errors import UsageError

LECTURES = EMBEDDED_FOLDER / "lectures" / "lectures.csv.gz"


def refused(path):
    with pytest.raises(UsageError) as error:
        load("ratings", path)
    return str(error.value)


def test_lectures():
    data = load("lectures")
    with gzip.open(LECTURES, "rt") as file:
        header, *rows = csv.reader(file)
    assert header[:3] == ["student", "lecturer", "rating"] and len(rows) == data.count + data.test_count == 34545
    test = held_out(len(rows))
    train = [row for row, out in zip(rows, test, strict=True) if not out]
    (features, ids), liked = data.batch(slice(None))
    np.testing.assert_array_equal(liked, [float(row[2]) >= 4 for row in train])
    for column, place in enumerate((0, 1, 3, 4, 5, 6)):
        numbers = {value: i for i, value in enumerate(sorted({row[place] for row in train}, key=int), 1)}
        np.testing.assert_array_equal(ids[:, column], [numbers[row[place]] for row in train])
        assert data.cardinalities[column] == len(numbers) + 1
    for column in range(2):
        counts = Counter(row[column] for row in train)
        often = np.log1p([counts[row[column]] for row in train])
        np.testing.assert_allclose(features[:, column], (often - often.mean()) / often.std(), rtol=1e-4, atol=1e-5)


def test_a_tenth_is_held_out_wherever_one_looks():
    test = held_out(200_000)
    assert abs(test.mean() - 0.1) < 0.002
    for period in (2, 3, 7, 10, 64):
        for start in range(period):
            rows = test[start::period]
            assert abs(rows.mean() - 0.1) < 5 * (0.09 / len(rows)) ** 0.5  # 5 deviations of a binomial
    np.testing.assert_array_equal(held_out(1000), test[:1000])


def test_ids_unknown_names_and_numbers(tmp_path):
    """Ids are numbered by what is trained on; 0 is for others; a long column of numbers is a feature."""
    count = 400
    test = held_out(count)
    lines = ["who,what,stars,when,where"]
    for i in range(count):
        who = "new" if test[i] else f"u{i % 3}"
        lines.append(f"{who},{10 - i % 2},{i % 5 + 1},{i}.5,{'x' if i % 2 else 'y'}")
    file = tmp_path / "ratings.csv"
    file.write_bytes(codecs.BOM_UTF8 + "\r\n".join(lines).encode())  # as spreadsheets write it
    data = load("ratings", file)
    places = np.flatnonzero(~test)
    (features, ids), liked = data.batch(slice(None))
    assert data.cardinalities == (4, 3, 3) and data.shape == (3, 3)
    np.testing.assert_array_equal(ids, np.stack([places % 3 + 1, 2 - places % 2, 2 - places % 2], axis=1))
    np.testing.assert_allclose(features[:, 2], (places - places.mean()) / places.std(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(liked, places % 5 >= 3)
    (features, ids), _ = data.test_batch(slice(None))
    assert not ids[:, 0].any() and ids[:, 1].all()


HEAD = "user,item,rating\n"
GOOD = HEAD + "".join(f"{i % 7},{i % 5},{i % 5 + 1}\n" for i in range(60))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", "empty, expected a CSV file of ratings"),
        ("user,item\n1,2\n", "2 columns, expected a header of user, item, rating and perhaps more"),
        (GOOD.removeprefix(HEAD), "line 1 has a number for the rating, expected the names of the columns there"),
        (GOOD[:-3], "line 61 has 2 values, expected 3; is it whole?"),
        (GOOD + "1,2,3,4\n", "line 62 has 4 values, expected 3; is it whole?"),
        (GOOD + "\n", "line 62 has 0 values, expected 3; is it whole?"),
        (GOOD + "1,,3\n", "line 62 has no item, expected a value in every column"),
        (GOOD + "1,2,good\n", "line 62 has no number for the rating, expected one"),
        (GOOD + "1,2,nan\n", "line 62 has no number for the rating, expected one"),
        (HEAD, "0 ratings, none of them to train on, expected some dozens at least"),
        (HEAD + "1,2,3\n", "1 ratings, none of them held out, expected some dozens at least"),
        (HEAD + "1,2,1\n1,3,0\n" * 30,
         "ratings from 0 to 1, expected some of 4 or more and some of less; scale them to 1 to 5"),
        (b"\xff\xfe\x00\x00", "no CSV ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte), "
                              "expected a CSV file of ratings"),
        (HEAD + '1,"2,3\n', "no CSV (unexpected end of data), expected a CSV file of ratings"),
        (gzip.compress(GOOD.encode())[:-9],
         "broken gzip (Compressed file ended before the end-of-stream marker was reached); fetch it again"),
        (gzip.compress(GOOD.encode())[:-8] + bytes(8),
         "broken gzip (CRC check failed 0x0 != 0x{crc:x}); fetch it again"),
    ],
)  # fmt: skip
def test_damaged_files(tmp_path, content, line):
    file = tmp_path / "ratings.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    if "{crc" in line:
        line = line.format(crc=zlib.crc32(GOOD.encode()))
    assert refused(file) == f"{file}: {line}"


def test_paths_that_are_no_file(tmp_path):
    assert refused(tmp_path) == f"{tmp_path}: a folder, expected a CSV file of ratings"
    assert refused(tmp_path / "gone") == f"{tmp_path}/gone: no such file, expected a CSV file of ratings"
