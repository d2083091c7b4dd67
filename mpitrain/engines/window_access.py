"""What all worlds' windows check: that an access lies within the target's memory."""

import numpy as np


def check_access(size: int, local: np.ndarray, peer: int, offset: int, array: np.ndarray) -> None:
    """`ValueError` unless `array` fits at `offset` into memory such as `local`, of one of `size` ranks."""
    count, dtype = local.size, local.dtype
    if not 0 <= peer < size:
        raise ValueError(f"window: rank {peer}: expected a rank below {size}")
    if array.dtype != dtype or not 0 <= offset <= count - array.size:
        raise ValueError(
            f"window: {array.size} x {array.dtype} at {offset} of rank {peer}: expected {dtype} within its {count} "
            f"elements"
        )
