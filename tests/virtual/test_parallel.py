"""Buckets on virtual ranks."""

from suite_parallel import *  # noqa: F403

RANKS = (1, 2, 3, 5, 8, 16)
