"""Algorithms with parameters in their names on virtual ranks."""

from suite_parameters import *  # noqa: F403

RANKS = (1, 2, 3, 5, 8)
