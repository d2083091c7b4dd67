"""Training on real ranks."""

from pathlib import Path

import pytest
from mpi4py import MPI
from suite_training import *  # noqa: F403

pytestmark = pytest.mark.mpi


@pytest.fixture
def folder(tmp_path):
    """The same folder on all ranks."""
    return Path(MPI.COMM_WORLD.bcast(str(tmp_path)))
