"""A program may end while works are under way: the thread that moves them must not be inside MPI when that ends."""

import pytest

PROGRAM = """
import sys
import numpy as np
import mpitrain

world = mpitrain.init("mpi")
data = [np.ones(200_000) for _ in range(20)]
works = [world.start_allreduce(array, algorithm="ring") for array in data]
if "wait" in sys.argv:
    works[-1].wait()
print("done", flush=True)
"""


@pytest.mark.parametrize("waits", ["wait", "leave"])
def test_a_program_ends_in_peace_with_works_under_way(launch, tmp_path, waits):
    (tmp_path / "program.py").write_text(PROGRAM)
    process = launch(3, "program.py", waits, MPITRAIN_PROGRESS="thread")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out.count("done")) == (0, 3), err
