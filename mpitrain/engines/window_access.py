"""What all worlds' windows check: that an access lies within the target's memory."""

import numpy as np


def part_of(memory: np.ndarray, peer: int, offset: int, array: np.ndarray) -> np.ndarray:
    """The part of a peer's memory that an access of `array` touches. `ValueError` if it has none such."""
    check_access(memory.size, memory.dtype, peer, offset, array)
    return memory[offset : offset + array.size]


def check_access(count: int, dtype: np.dtype, peer: int, offset: int, array: np.ndarray) -> None:
    if array.dtype != dtype or not 0 <= offset <= count - array.size:
        raise ValueError(
            f"window: {array.size} x {array.dtype} at {offset} of rank {peer}: expected {dtype} within its {count} "
            f"elements"
        )
