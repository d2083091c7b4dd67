"""Buckets: slices of one message that go out as soon as backward is past them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from suite_parallel import *  # noqa: F403

from mpitrain.engines.solo import SoloWorld
from mpitrain.models import mlp
from mpitrain.nn.layout import Layout
from mpitrain.parallel.data import HEADER, cut_buckets


@pytest.fixture
def world():
    return SoloWorld()


@given(hidden=st.lists(st.integers(1, 40), max_size=6), bucket_bytes=st.integers(1, 20_000))
def test_buckets_are_whole_units_back_to_back(hidden, bucket_bytes):
    layout = Layout.of(mlp(20, 10, tuple(hidden)))
    buckets = cut_buckets(layout, bucket_bytes, 4)
    assert [0, *(b.stop for b in buckets)] == [*(b.start for b in buckets), HEADER + layout.count]
    for bucket in buckets:
        assert layout.units[bucket.last_unit].stop + HEADER == bucket.stop
    for bucket in buckets[:-1]:
        assert (bucket.stop - bucket.start) * 4 >= bucket_bytes
        before_last = HEADER + layout.units[bucket.last_unit].start
        assert before_last <= HEADER or (before_last - bucket.start) * 4 < bucket_bytes
