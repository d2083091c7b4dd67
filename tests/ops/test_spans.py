"""Parts of a flat vector."""

import numpy as np
import pytest

from mpitrain.ops.spans import Spans


def test_neighbours_become_one_and_empty_ones_nothing():
    spans = [slice(0, 2), slice(2, 5), slice(6, 6), slice(6, 9)]
    assert Spans(spans, 9).pieces == [slice(0, 5), slice(6, 9)]
    assert Spans(spans, 9).given == spans
    assert Spans([slice(0, 3), slice(5, 5), slice(5, 7)], 9).pieces == [slice(0, 3), slice(5, 7)]


def test_none_is_the_whole():
    assert Spans(None, 9).whole and Spans(None, 0).whole and Spans([slice(0, 4), slice(4, 9)], 9).whole
    assert not Spans([slice(0, 8)], 9).whole and not Spans([], 9).whole


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_tiles_see_all_of_them_once(size):
    spans = Spans([slice(1, 2), slice(4, 11), slice(12, 12), slice(13, 20)], 23)
    marked = np.zeros(23, int)
    for start in range(0, 23, size):
        tile = slice(start, min(start + size, 23))
        for piece in spans.within(tile):
            marked[tile][piece] += 1
    expected = np.zeros(23, int)
    expected[1:2] = expected[4:11] = expected[13:20] = 1
    np.testing.assert_array_equal(marked, expected)
    np.testing.assert_array_equal(np.unpackbits(spans.bits(np), bitorder="little")[:23], expected)


def test_between_is_the_rest():
    assert Spans([slice(1, 2), slice(4, 9)], 9).between() == [slice(0, 1), slice(2, 4)]
    assert Spans([], 3).between() == [slice(0, 3)]
    assert Spans(None, 3).between() == []


@pytest.mark.parametrize("wrong", [slice(0, 10), slice(2, 1), slice(-1, 2), slice(0, 4, 2)])
def test_what_leaves_the_vector_is_refused(wrong):
    with pytest.raises(ValueError) as error:
        Spans([wrong], 9)
    assert str(error.value) == f"spans must be ascending, disjoint parts of a vector of 9, found {wrong}"


def test_overlaps_are_refused():
    with pytest.raises(ValueError) as error:
        Spans([slice(0, 4), slice(3, 5)], 9)
    assert str(error.value) == "spans must be ascending, disjoint parts of a vector of 9, found slice(3, 5, None)"
