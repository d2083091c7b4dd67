"""Every algorithm on real ranks, on each engine."""

import pytest
from suite_collectives import *  # noqa: F403

pytestmark = pytest.mark.mpi


@pytest.fixture
def world(one_engine):
    return one_engine
