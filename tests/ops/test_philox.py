"""Philox against the known answers that come with the authors' library."""

import numpy as np
import pytest

from mpitrain.ops.philox import philox, philox_key

# The lines `philox4x32 10` of Random123's kat_vectors: counter, key, answer.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    counters = np.array(words(counter), np.uint64)[:, np.newaxis]
    assert philox(counters, tuple(words(key)))[:, 0].tolist() == words(answer)
    assert counters[:, 0].tolist() == words(counter)


def test_each_counter_by_itself():
    counters = np.random.default_rng(0).integers(0, 1 << 32, (4, 7)).astype(np.uint64)
    together = philox(counters, (1, 2))
    for number in range(7):
        np.testing.assert_array_equal(
            together[:, number : number + 1], philox(counters[:, number : number + 1], (1, 2))
        )


def test_keys_differ_by_seed_and_path():
    assert len({philox_key(seed, path) for seed in (0, 1, 11) for path in ("", "a", "1 a")}) == 9
