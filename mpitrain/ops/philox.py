"""Philox4x32-10: random numbers by counting (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3").

A key of 64 bits picks a sequence, a counter of 128 bits a place in it, and ten rounds of multiplying and mixing turn
the counter into four words of 32 bits. There is no state: whoever knows the place has the number, on any rank, in any
order. The words are those of the authors' library Random123, and of the CUDA twin, kernels/philox.cuh.
"""

import hashlib

import numpy as np

from mpitrain.memory import empty

ROUNDS = 10
MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], np.uint64)
KEY_STEPS = np.array([[0x9E3779B9], [0xBB67AE85]], np.uint64)  # from the golden ratio, and the square root of 3
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """The words (4, n) of counters (4, n), both uint64 of which the lower 32 bits count.

    They are kept as even and odd words, since a round multiplies the even ones and mixes them into the odd:

        (c0, c2), (c1, c3) -> (high(c2 m1) ^ c1 ^ k0, high(c0 m0) ^ c3 ^ k1), (low(c2 m1), low(c0 m0))
    """
    even, odd = counter[0::2].copy(), counter[1::2].copy()
    keys = np.array(key, np.uint64)[:, np.newaxis]
    product, high = empty(even.shape, np.uint64), empty(even.shape, np.uint64)
    for _ in range(ROUNDS):
        np.multiply(even, MULTIPLIERS, out=product)
        np.right_shift(product, HALF, out=high)
        np.bitwise_xor(high[::-1], odd, out=even)
        np.bitwise_xor(even, keys, out=even)
        np.bitwise_and(product[::-1], MASK, out=odd)
        keys = keys + KEY_STEPS & MASK
    words = empty((4, counter.shape[1]), np.uint64)
    words[0::2], words[1::2] = even, odd
    return words


def philox_key(seed: int, path: str) -> tuple[int, int]:
    """A key for one layer's numbers in one run, the same in every process."""
    digest = hashlib.sha256(f"{seed} {path}".encode()).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:8], "little")
