"""What is held out is a partition, whatever the numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpitrain.data.split import Part, Split


@given(samples=st.integers(0, 300), period=st.integers(1, 40), data=st.data())
def test_every_sample_is_in_one_part(samples, period, data):
    split = Split(samples, period, data.draw(st.integers(1, max(1, period - 1))))
    if period == 1:  # all of them are held out
        assert split.train_count == 0
        return
    train, test = split.train(np.arange(split.train_count)), split.test(np.arange(split.test_count))
    assert (np.diff(train) > 0).all() and (np.diff(test) > 0).all()
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(samples))
    np.testing.assert_array_equal(test, [i for i in range(samples) if i % period >= period - split.held])


def test_every_tenth():
    np.testing.assert_array_equal(Split.every_tenth(25).test(np.arange(2)), [9, 19])
    assert Split.every_tenth(10).test_count == 1


def test_blocks_are_spread_and_in_one_piece():
    split = Split.blocks(1000)
    test = split.test(np.arange(split.test_count))
    np.testing.assert_array_equal(test.reshape(10, 10), np.arange(90, 1000, 100)[:, np.newaxis] + np.arange(10))
    for samples in range(11, 400):
        split = Split.blocks(samples)
        assert 0.04 < split.test_count / samples <= 0.5 and split.train_count > 0


def test_a_part_is_rows_in_the_order_asked_for():
    rows = np.arange(30) * 10
    train, test = (Part(rows, Split.every_tenth(30), held_out) for held_out in (False, True))
    assert (len(train), len(test), test.shape, test.dtype) == (27, 3, (3,), rows.dtype)
    np.testing.assert_array_equal(train[np.array([9, 0, 26])], [100, 0, 280])
    np.testing.assert_array_equal(test[1:], [190, 290])
    for wrong in (np.array([27]), np.array([-1])):
        with pytest.raises(IndexError) as error:
            train[wrong]
        assert str(error.value) == f"samples {wrong[0]} to {wrong[0]} asked for, expected 0 to 26"
