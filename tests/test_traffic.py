"""What really travels between nodes, counted by Open MPI itself: no more than the bound says."""

import os
import re

import pytest

from mpitrain.launcher import survey

CALLS, NBYTES = 4, 1 << 20
PROGRAM = f"""
import numpy as np
import mpitrain

with mpitrain.init("mpi") as world:
    for _ in range({CALLS}):
        world.allreduce(np.zeros({NBYTES} // 4, np.float32), algorithm="hierarchical")
"""
SENT = re.compile(r"^E\t(\d+)\t(\d+)\t(\d+) bytes", re.MULTILINE)


@pytest.mark.parametrize("ranks_per_node", [2, 4])
def test_a_hierarchical_allreduce_sends_between_nodes_what_it_must(launch, tmp_path, ranks_per_node):
    """Each of m nodes must send 2 (m - 1) / m of the data in all (Patarasuk and Yuan), each rank its part of that."""
    launcher = survey(os.environ).launcher
    if launcher is None or launcher.family != "openmpi":
        pytest.skip("only Open MPI can count what it sends")
    (tmp_path / "program.py").write_text(PROGRAM)
    process = launch(
        8, "program.py",
        MPITRAIN_RANKS_PER_NODE=str(ranks_per_node), OMPI_MCA_pml_monitoring_enable="1",
        OMPI_MCA_pml_monitoring_enable_output="3", OMPI_MCA_pml_monitoring_filename=str(tmp_path / "sent"),
    )  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    between = [0] * 8
    told = "".join((tmp_path / f"sent.{rank}.prof").read_text() for rank in range(8))
    for sender, peer, nbytes in SENT.findall(told):
        if int(sender) // ranks_per_node != int(peer) // ranks_per_node:
            between[int(sender)] += int(nbytes)
    nodes = 8 // ranks_per_node
    bound = CALLS * NBYTES * 2 * (nodes - 1) / nodes / ranks_per_node
    for sent in between:
        assert bound <= sent <= bound + 20_000  # and what starts and ends a world and checks its calls
