"""Training on the emulated device, on real ranks."""

import pytest
from suite_device import *  # noqa: F403

pytestmark = pytest.mark.mpi
