"""Updates on real ranks."""

import pytest
from suite_update import *  # noqa: F403

pytestmark = pytest.mark.mpi
