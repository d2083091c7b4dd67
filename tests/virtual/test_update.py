"""Updates on virtual ranks."""

from suite_update import *  # noqa: F403

RANKS = (1, 2, 3, 5, 8)
