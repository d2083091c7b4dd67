"""Any number of ranks on a power of two of them.

Algorithms that pair ranks by the bits of their numbers want p = 2^k ranks. Otherwise the first 2(p - 2^k) ranks form
pairs: the odd one of a pair is a guest, who hands its data to the even one, its host, before the algorithm and gets the
result after it. Hosts and the ranks that are neither are the core, numbered by an index without gaps, in rank order:

    rank   0  1  2  3  4  5        p = 6: core of 4, guests 1 and 3
    index  0  .  1  .  2  3

The paper folds so in its section 4.4, with the even ranks as guests. Rabenseifner's algorithms, in 5.1, have guest and
host sum one half of their data each instead.

    Thakur, Rabenseifner and Gropp, Optimization of collective communication operations in MPICH, IJHPCA 19(1), 2005
    MPICH, src/mpi/coll/allreduce/allreduce_intra_recursive_doubling.c
"""

from typing import NamedTuple


def core_size(size: int) -> int:
    """The largest power of two that is at most `size`."""
    return 1 << (size.bit_length() - 1)


class Place(NamedTuple):
    """Where a rank stands: its index in the core (a guest: its host's), and its host or its guest, if it has one."""

    core_index: int
    host: int | None
    guest: int | None


def place(rank: int, size: int, core: int = 0) -> Place:
    """The place of `rank`; one that is neither host nor guest has neither. `core`: the largest power of two if 0."""
    guests = size - (core or core_size(size))
    if rank >= 2 * guests:
        return Place(rank - guests, None, None)
    if rank % 2:
        return Place(rank // 2, rank - 1, None)
    return Place(rank // 2, None, rank + 1)


def core_rank(index: int, size: int, core: int = 0) -> int:
    """The rank with this index; for index = core_size, one past the last rank."""
    guests = size - (core or core_size(size))
    return 2 * index if index < guests else index + guests


def reversed_bits(index: int, size: int) -> int:
    """A core index with its bits in reverse order: what is far by the one is near by the other."""
    bits = core_size(size).bit_length() - 1
    return int(f"{index:0{bits}b}"[::-1], 2)


def near_rank(index: int, size: int) -> int:
    """The rank with this index where indices that differ in the highest bit are to be neighbours."""
    return core_rank(reversed_bits(index, size), size)
