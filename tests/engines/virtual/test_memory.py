"""What virtual ranks take: about as much each, however many there are."""

import tracemalloc

import numpy as np

from mpitrain import virtual


def peak(ranks):
    """Bytes at most, of an allreduce whose whole program has 2 (p - 1) steps on each rank."""

    def main(world):
        world.allreduce(np.ones(4), algorithm="ring")

    virtual.run(main, 4, "flat")  # what is kept for ever is there
    tracemalloc.start()
    try:
        virtual.run(main, ranks, "flat")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_ranks_and_not_with_their_square():
    """4 times the ranks: 4 times as much if it grows evenly, 16 times if all programs are in memory at once."""
    assert peak(128) / peak(32) < 6
