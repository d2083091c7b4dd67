"""Buckets on real ranks."""

import pytest
from suite_parallel import *  # noqa: F403

pytestmark = pytest.mark.mpi
