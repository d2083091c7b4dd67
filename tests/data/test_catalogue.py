"""Data by name: what is embedded, what is asked for, and when files are read again."""

import hashlib
import os
from typing import get_args, get_type_hints

import numpy as np
import pytest

from mpitrain.data import NAMES, load
from mpitrain.data.catalogue import EMBEDDED, EMBEDDED_FOLDER, READERS
from mpitrain.errors import UsageError
from mpitrain.training.config import Config


def refused(*arguments):
    with pytest.raises(UsageError) as error:
        load(*arguments)
    return str(error.value)


def test_names():
    assert refused("mnist") == "data mnist needs a folder of IDX files; name it with --data-dir"
    assert refused("ratings") == "data ratings needs a CSV file of user, item, rating; name it with --data-dir"
    assert refused("cifar") == f"no data named cifar, expected one of {', '.join(NAMES)}"
    assert refused("fashion", "here") == (
        "data fashion is embedded and takes no folder, found here; use idx to read one"
    )
    assert refused("road", "here") == (
        "data road is drawn, not filmed, and takes no folder, found here; use drive to read one"
    )
    assert NAMES[0] == "fashion" and not set(EMBEDDED) & set(READERS)
    assert {embedded.reader for embedded in EMBEDDED.values()} <= set(READERS)


def test_the_command_line_takes_every_name():
    taken = {name for part in get_args(get_type_hints(Config)["data"]) for name in get_args(part)}
    assert taken == set(NAMES)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_says_that_nothing_is_there(tmp_path, name):
    line = refused(name, tmp_path / "nothing")
    assert line.startswith(f"{tmp_path}/nothing: no such f") and ", expected " in line and "\n" not in line


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_data_keep_to_the_protocol(name):
    data = load(name)
    assert data.name == name and data is load(name)
    for batch, count in ((data.batch, data.count), (data.test_batch, data.test_count)):
        assert count >= 270
        indices = np.array([count - 1, 0, 7, 7])
        inputs, targets = batch(indices)
        again, same = batch(slice(None))
        for some, all_of_it in zip(parts(inputs), parts(again), strict=True):
            np.testing.assert_array_equal(some, all_of_it[indices])
            assert len(all_of_it) == count
        np.testing.assert_array_equal(targets, same[indices])
        none, no_targets = batch(np.arange(0))
        assert [part.shape for part in parts(none)] == [(0, *part.shape[1:]) for part in parts(inputs)]
        assert no_targets.shape == (0, *targets.shape[1:]) and no_targets.dtype == targets.dtype
        for wrong in (np.array([count]), np.array([3, -count - 1])):
            with pytest.raises(IndexError):
                batch(wrong)
        if data.classes is None:
            assert targets.dtype == np.float32
        else:
            assert targets.dtype == np.int64 and same.min() >= 0 and same.max() < data.classes
        assert targets[0].size == data.predictions
    if data.kind == "table":
        assert (inputs[0].shape, inputs[1].shape) == ((4, data.shape[0]), (4, data.shape[1]))
        assert inputs[0].dtype == np.float32 and inputs[1].dtype == np.int64
    else:
        assert inputs.shape == (4, *data.shape) and inputs.dtype == (np.int64 if data.kind == "text" else np.float32)


def parts(inputs):
    return inputs if isinstance(inputs, tuple) else (inputs,)


def test_embedded_files_are_the_ones_their_readmes_name():
    folders = sorted(path.parent for path in EMBEDDED_FOLDER.glob("*/README.md"))
    assert [folder.name for folder in folders] == ["fashion6k", "lectures", "vowels"]
    for folder in folders:
        readme = (folder / "README.md").read_text()
        assert "icen" in readme
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.gz")}
        assert files and all(f"| {name} | {digest} |" in readme for name, digest in files.items())
    assert "Copyright (c) 2017 Zalando SE" in (EMBEDDED_FOLDER / "fashion6k" / "LICENSE").read_text()
    assert "GNU GENERAL PUBLIC LICENSE" in (EMBEDDED_FOLDER / "lectures" / "LICENSE").read_text()


def test_files_are_read_again_when_they_change(tmp_path):
    file = tmp_path / "deeper" / "text"
    file.parent.mkdir()
    file.write_bytes(bytes(100))
    first = load("text", tmp_path, sequence=4)
    assert load("text", str(tmp_path), sequence=4) is first
    assert load("text", tmp_path, sequence=5) is not first
    file.write_bytes(bytes(150))
    assert load("text", tmp_path, sequence=4).count > first.count
    second = load("text", tmp_path, sequence=4)
    os.utime(file, ns=(1, 1))
    assert load("text", tmp_path, sequence=4) is not second
