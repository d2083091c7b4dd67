"""Windows of text, from memory and from files."""

import pydoc_data.topics

import numpy as np
import pytest

from mpitrain.data import load
from mpitrain.errors import UsageError


def text_of(windows):
    return bytes(windows.astype(np.uint8).ravel())


def refused(*arguments, **options):
    with pytest.raises(UsageError) as error:
        load(*arguments, **options)
    return str(error.value)


def test_topics_are_the_help_that_this_python_has():
    data = load("topics", sequence=100)
    words = "".join(text for _, text in sorted(pydoc_data.topics.topics.items())).encode()
    inputs, targets = data.batch(slice(None))
    assert words.startswith(text_of(inputs)) and words[1:].startswith(text_of(targets))
    held_out, next_bytes = data.test_batch(slice(None))
    begin = words.rindex(text_of(held_out))
    assert begin == len(words) - len(words) // 10
    assert begin - inputs.size <= 100 and len(words) - begin - held_out.size <= 100  # all but what makes no window
    assert words[begin + 1 :].startswith(text_of(next_bytes))
    assert (data.shape, data.classes, data.predictions) == ((100,), 256, 100)


def test_no_window_to_train_on_reaches_into_the_part_held_out(tmp_path):
    for size in range(50, 131):
        (tmp_path / "text").write_bytes(bytes(range(size)))
        for stride in (1, 3, 4):
            data = load("text", tmp_path / "text", sequence=4, stride=stride)
            inputs, targets = data.batch(slice(None))
            np.testing.assert_array_equal(inputs[:, 0], np.arange(data.count) * stride)
            np.testing.assert_array_equal(targets - inputs, 1)
            border = size - size // 10
            assert border - stride <= targets.max() < border  # and none is left out that would fit
            inputs, targets = data.test_batch(slice(None))
            np.testing.assert_array_equal(inputs.ravel(), border + np.arange(inputs.size))
            assert size - 4 <= targets.max() < size


def test_files_of_a_folder_are_one_text_in_order_of_their_paths(tmp_path):
    (tmp_path / "b").mkdir()
    for path, content in (("c", "6789"), ("a", "012"), ("b/z", "45"), ("b/empty", ""), ("b/a", "3")):
        (tmp_path / path).write_text(content)
    (tmp_path / "d").write_bytes(bytes(range(ord(":"), ord(":") + 60)))
    data = load("text", tmp_path, sequence=3)
    expected = np.arange(ord("0"), ord("0") + 70)
    inputs, targets = data.batch(slice(None))
    np.testing.assert_array_equal(inputs.ravel(), expected[: inputs.size])
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(data.test_batch(np.array([1]))[0][0], expected[63 + 3 : 63 + 6])


def test_text_that_is_none(tmp_path):
    assert refused("text", tmp_path) == (
        f"{tmp_path}: no files, expected a file of text or a folder of some; check --data-dir"
    )
    file = tmp_path / "file"
    file.write_bytes(b"")
    least = (
        "expected at least 1290: a window of 128 and the byte after it in the last tenth; "
        "take more text or a shorter sequence"
    )
    assert refused("text", file) == f"{file}: 0 bytes of text, {least}"
    file.write_bytes(bytes(1289))
    assert refused("text", file) == f"{file}: 1289 bytes of text, {least}"
    file.write_bytes(bytes(1290))
    assert load("text", file).test_count == 1
    for stride in (0, 129):
        assert refused("text", file, stride=stride) == f"stride {stride}, expected 1 to the sequence's 128 bytes"
    assert refused("text", tmp_path / "gone") == f"{tmp_path}/gone: no such file, expected a file of text"


def test_text_that_goes_meanwhile(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(100))
    data = load("text", file, sequence=4)
    file.write_bytes(bytes(50))
    with pytest.raises(UsageError) as error:
        data.batch(np.array([12]))
    assert str(error.value) == f"{file}: 50 bytes, expected more: it has become shorter; begin again"
    file.unlink()
    with pytest.raises(UsageError) as error:
        data.batch(np.array([12]))
    assert str(error.value) == f"{file}: no such file, expected a file of text"
