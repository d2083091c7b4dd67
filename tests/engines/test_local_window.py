"""A world of one has windows too: to its own memory."""

import numpy as np
import pytest

from mpitrain.engines.solo import SoloWorld


def test_put_get_accumulate():
    window = SoloWorld().window(5, "float64")
    assert window.local.tolist() == [0] * 5
    window.put(np.array([1.0, 2.0]), 0, 3)
    window.accumulate(np.array([10.0, 20.0]), 0, 2)
    window.accumulate(np.array([0.0, 50.0]), 0, 3, "max")
    window.flush()
    got = np.empty(3)
    window.get(got, 0, 2)
    window.flush(0)
    assert got.tolist() == window.local[2:].tolist() == [10, 21, 50]
    window.free()
    assert window.local.size == 0


@pytest.mark.parametrize(
    ("peer", "offset", "dtype", "text"),
    [
        (1, 0, "float32", "window: rank 1: expected a rank below 1"),
        (-1, 0, "float32", "window: rank -1: expected a rank below 1"),
        (0, 3, "float32", "window: 2 x float32 at 3 of rank 0: expected float32 within its 4 elements"),
        (0, -1, "float32", "window: 2 x float32 at -1 of rank 0: expected float32 within its 4 elements"),
        (0, 0, "float64", "window: 2 x float64 at 0 of rank 0: expected float32 within its 4 elements"),
    ],
)
def test_a_wrong_access_says_what_was_expected(peer, offset, dtype, text):
    window = SoloWorld().window(4)
    for access in (window.put, window.get, window.accumulate):
        with pytest.raises(ValueError) as error:
            access(np.ones(2, dtype), peer, offset)
        assert str(error.value) == text
    assert not window.local.any()


def test_a_closed_world_has_no_windows():
    world = SoloWorld()
    world.close()
    with pytest.raises(ValueError, match="this world is closed: expected calls before close"):
        world.window(3)
