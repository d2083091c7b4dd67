"""Windows of real ranks: what one puts the others see, and accumulations do not get lost."""

import numpy as np
import pytest

pytestmark = pytest.mark.mpi


@pytest.fixture
def window(world):
    made = world.window(2 * world.size, "float64")
    yield made
    world.barrier()
    made.free()


def test_all_put_to_all(world, window):
    assert not window.local.any()
    world.barrier()
    for peer in range(world.size):
        window.put(np.array([world.rank, peer], float), peer, 2 * world.rank)
    window.flush()
    world.barrier()
    window.flush()
    assert window.local.tolist() == [number for rank in range(world.size) for number in (rank, world.rank)]


def test_get_from_the_next(world, window):
    window.local[...] = np.arange(2 * world.size) + 100 * world.rank
    window.flush()
    world.barrier()
    got, peer = np.empty(2), (world.rank + 1) % world.size
    window.get(got, peer, 1 if world.size > 1 else 0)
    window.flush(peer)
    assert got.tolist() == [100 * peer + (world.size > 1), 100 * peer + (world.size > 1) + 1]


@pytest.mark.parametrize(("op", "wanted"), [("sum", lambda p: p * (p + 1) / 2), ("max", lambda p: p)])
def test_all_accumulate_at_rank_0(world, window, op, wanted):
    for _ in range(3):
        window.accumulate(np.array([world.rank + 1.0]), 0, 1, op)
    window.flush()
    world.barrier()
    window.flush()
    if world.rank == 0:
        assert window.local[1] == wanted(world.size) * (3 if op == "sum" else 1)
        assert window.local[0] == 0


def test_a_wrong_access_says_what_was_expected(world, window):
    count = 2 * world.size
    for peer, offset, dtype, text in (
        (world.size, 0, "float64", f"window: rank {world.size}: expected a rank below {world.size}"),
        (-1, 0, "float64", f"window: rank -1: expected a rank below {world.size}"),
        (
            0,
            count,
            "float64",
            f"window: 1 x float64 at {count} of rank 0: expected float64 within its {count} elements",
        ),
        (0, 0, "float32", f"window: 1 x float32 at 0 of rank 0: expected float64 within its {count} elements"),
    ):
        for access in (window.put, window.get, window.accumulate):
            with pytest.raises(ValueError) as error:
                access(np.ones(1, dtype), peer, offset)
            assert str(error.value) == text


def test_accumulate_takes_what_mpi_knows(world, window):
    with pytest.raises(TypeError, match="window: accumulate by '<lambda>' of float64: expected sum, prod, min, max"):
        window.accumulate(np.ones(1), 0, 0, lambda left, right: left)
