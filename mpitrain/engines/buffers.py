"""A caller's buffers, as flat arrays, and the blocks of the ranks in them; what does not fit is refused here."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import as_array, namespace
from mpitrain.engines.layout import even_lengths
from mpitrain.world import Array

Counts = Sequence[int] | None
"""How many elements each rank's block has; None: equal blocks, or as equal as can be."""


class Buffers(NamedTuple):
    """What is `given`, where the result is `received` (the same memory for a collective in place), and that in the
    caller's shape, to be `returned`.

    `counts` are the ranks' blocks of the whole, empty where there are none; `exchanged` this rank's (given, wanted)
    blocks of an alltoall to which counts were given.
    """

    given: np.ndarray
    received: np.ndarray
    returned: Array
    counts: Sequence[int]
    exchanged: tuple[Sequence[int], Sequence[int]] | None = None


def in_place(collective: str, buffer: Array, size: int, counts: Counts, by_blocks: bool) -> Buffers:
    """One buffer, which all ranks' blocks make up if the collective goes `by_blocks`."""
    if counts is not None and not by_blocks:
        raise ValueError(f"{collective}: takes no counts: expected them for collectives that go by blocks only")
    returned = as_array(buffer)
    array = flat(collective, returned)
    if not by_blocks:
        return Buffers(array, array, returned, [])
    if counts is None:
        return Buffers(array, array, returned, even_lengths(array.size, size))
    if len(counts) != size or sum(counts) != array.size or min(counts) < 0:
        raise ValueError(
            f"{collective}: counts {list(counts)}: expected {size} counts, one a rank, of sum {array.size}"
        )
    return Buffers(array, array, returned, list(counts))


def of_gather(buffer: Array, received: Array | None, rank: int, size: int, root: int, counts: Counts) -> Buffers:
    """Every rank gives its block; the root receives all, in new memory if it brings none."""
    given = flat("gather", as_array(buffer), written=False)
    blocks = _blocks("gather", [given.size] * size if counts is None else counts, rank, size, given, "given")
    if rank != root:
        nothing = _new(0, given)
        return Buffers(given, nothing, nothing, blocks)
    returned = _new(sum(blocks), given) if received is None else as_array(received)
    target = flat("gather", returned)
    start = sum(blocks[:rank])
    _fits("gather", "receives", target, sum(blocks), given)
    _apart("gather", given, target, start)
    return Buffers(given, target, returned, blocks)


def of_scatter(buffer: Array | None, received: Array, rank: int, size: int, root: int, counts: Counts) -> Buffers:
    """The root gives all ranks' blocks; every rank receives its own."""
    returned = as_array(received)
    target = flat("scatter", returned)
    blocks = _blocks("scatter", [target.size] * size if counts is None else counts, rank, size, target, "received")
    if rank != root:
        return Buffers(_new(0, target), target, returned, blocks)
    if buffer is None:
        raise ValueError("scatter: no buffer: expected all ranks' blocks at the root")
    given = flat("scatter", as_array(buffer), written=False)
    _fits("scatter", "gives", given, sum(blocks), target)
    _apart("scatter", target, given, sum(blocks[:rank]))
    return Buffers(given, target, returned, blocks)


def of_alltoall(buffer: Array, received: Array | None, size: int, counts: Counts, received_counts: Counts) -> Buffers:
    """Every rank gives and receives a block for each rank; of given counts the other ranks know nothing."""
    given = flat("alltoall", as_array(buffer), written=False)
    if (counts is None) is not (received_counts is None):
        raise ValueError("alltoall: counts on one side only: expected both counts and received_counts, or none")
    if counts is None or received_counts is None:
        if given.size % size:
            raise ValueError(f"alltoall: {given.size} elements: expected a multiple of the {size} ranks")
        sent = wanted = [given.size // size] * size
    else:
        sent, wanted = list(counts), list(received_counts)
        for name, blocks in (("counts", sent), ("received_counts", wanted)):
            if len(blocks) != size or min(blocks) < 0:
                raise ValueError(f"alltoall: {name} {blocks}: expected {size} counts, one a rank, of 0 or more")
        if sum(sent) != given.size:
            raise ValueError(f"alltoall: counts {sent}: expected the sum {given.size}")
    returned = _new(sum(wanted), given) if received is None else as_array(received)
    target = flat("alltoall", returned)
    _fits("alltoall", "receives", target, sum(wanted), given)
    if _overlap(target, given):
        raise ValueError("alltoall: sends and receives in one buffer: expected two, or none to receive in")
    return Buffers(given, target, returned, wanted, None if counts is None else (sent, wanted))


def flat(call: str, buffer: Array, written: bool = True) -> np.ndarray:
    """`buffer` as a flat array over the same memory. `ValueError` for gaps, or if it is to be `written` and may not."""
    array = as_array(buffer)
    if not array.flags.c_contiguous:
        raise ValueError(f"{call}: a buffer of shape {array.shape} with gaps: expected contiguous memory")
    if written and not getattr(array.flags, "writeable", True):  # a device's arrays always are
        raise ValueError(f"{call}: a read-only buffer: expected one that may be written")
    return array.reshape(-1)


def address(array: Any) -> int:
    """Where its memory begins, on the host or on a device."""
    return array.ctypes.data if namespace(array) is np else array.data.ptr


def _new(count: int, like: Any) -> Any:
    return namespace(like).empty(count, like.dtype)


def _overlap(one: Any, other: Any) -> bool:
    """Of contiguous arrays on one side."""
    first, second = sorted((address(array), array.nbytes) for array in (one, other))
    return first[0] + first[1] > second[0] and second[1] > 0


def _blocks(call: str, counts: Sequence[int], rank: int, size: int, own: np.ndarray, how: str) -> list[int]:
    if len(counts) != size or min(counts) < 0 or counts[rank] != own.size:
        raise ValueError(
            f"{call}: counts {list(counts)}: expected {size} counts, one a rank, with the {own.size} {how} at {rank}"
        )
    return list(counts)


def _fits(call: str, verb: str, array: np.ndarray, count: int, other: np.ndarray) -> None:
    if array.size != count or array.dtype != other.dtype:
        raise ValueError(f"{call}: {verb} {array.size} x {array.dtype}: expected {count} x {other.dtype}")


def _apart(call: str, block: np.ndarray, whole: np.ndarray, start: int) -> None:
    """The root's own block may be the part of the whole that it is (in place), and else must lie elsewhere."""
    if _overlap(block, whole) and address(block) != address(whole[start:]):
        raise ValueError(f"{call}: the root's block overlaps the others': expected it in its own place, or elsewhere")
