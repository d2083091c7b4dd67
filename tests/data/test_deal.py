"""Deals are partitions, whatever the numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mpitrain.data import epoch_order, share


@given(count=st.integers(0, 200), size=st.integers(1, 70))
def test_shares_are_an_even_cut(count, size):
    shares = [share(count, rank, size) for rank in range(size)]
    assert [sample for part in shares for sample in part] == list(range(count))
    lengths = {len(part) for part in shares}
    assert max(lengths) - min(lengths) <= 1


@given(count=st.integers(1, 100), batch=st.integers(1, 40), size=st.integers(1, 9), seed=st.integers(0, 5))
def test_every_sample_of_an_epoch_is_seen_exactly_once(count, batch, size, seed):
    order = epoch_order(count, seed, epoch=3)
    seen = []
    for start in range(0, count, batch):
        global_batch = order[start : start + batch]
        for rank in range(size):
            part = share(len(global_batch), rank, size)
            seen.extend(global_batch[part.start : part.stop])
    assert sorted(seen) == list(range(count))


def test_order_depends_on_seed_and_epoch_alone():
    order = epoch_order(1000, seed=1, epoch=2)
    np.testing.assert_array_equal(order, epoch_order(1000, seed=1, epoch=2))
    for other in (epoch_order(1000, 2, 1), epoch_order(1000, 1, 3), epoch_order(1000, 0, 2), np.arange(1000)):
        assert not np.array_equal(order, other)
