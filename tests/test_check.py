"""Checked mode in whole jobs, as their users see it: one text, from one rank, and the job ends."""

import re

import pytest

HEAD = """\
import sys
import numpy as np
import mpitrain
"""
IN_STEP = "expected the same calls in the same order on every rank"
CALL = "allreduce(count=10, dtype=float64, op=sum, algorithm=ring, engine=shared)"

SCENARIOS = {
    "one rank leaves with sys.exit": (
        """
world = mpitrain.init()
for step in range(3):
    if world.rank == 1 and step == 2:
        sys.exit()
    world.allreduce(np.ones(10), algorithm="ring")
world.close()
""",
        f"mpitrain: rank 1 of 3 makes another call than the others; {IN_STEP}\n"
        f"  ranks 0, 2: {CALL} at program.py:9\n"
        f"  rank 1: the end of the program\n",
    ),
    "one rank returns and closes its world": (
        """
def main():
    with mpitrain.init() as world:
        for step in range(3 - (world.rank == 0)):
            world.allreduce(np.ones(10), algorithm="ring")

main()
""",
        f"mpitrain: rank 0 of 3 makes another call than the others; {IN_STEP}\n"
        f"  rank 0: close() at program.py:6\n"
        f"  ranks 1, 2: {CALL} at program.py:8\n",
    ),
    "a part of the ranks leaves another world than the others wait in": (
        """
world = mpitrain.init()
part = world.split(0 if world.rank < 2 else None)
if world.rank == 1:
    sys.exit()
if world.rank == 0:
    part.barrier()
world.barrier()
""",
        f"mpitrain: the 2 ranks make different calls; {IN_STEP}\n"
        f"  rank 0: barrier() at program.py:10\n"
        f"  rank 1: the end of the program\n",
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ranks_go_different_ways(launch, tmp_path, scenario):
    program, text = SCENARIOS[scenario]
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py")
    out, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert (out + err).count(text) == (out + err).count("mpitrain: ") == 1, out + err


def test_an_error_of_one_rank_is_told_by_it_and_reaches_the_others(launch, tmp_path):
    (tmp_path / "program.py").write_text(
        HEAD
        + """
world = mpitrain.init()
try:
    world.allreduce([1, 2] if world.rank == 1 else np.ones(10), algorithm="ring")
except Exception as error:
    with open(f"told-{world.rank}", "w") as told:
        print(type(error).__name__, *str(error).splitlines(), sep="|", end="", file=told)
world.close()
"""
    )
    process = launch(3, "program.py")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    own, *others = ((tmp_path / f"told-{rank}").read_text() for rank in (1, 0, 2))
    assert own.startswith("TypeError|expected an array (NumPy, CuPy, or an object with ")
    told = (
        f"CollectiveMismatch|rank 1 of 3 makes another call than the others; {IN_STEP}|  ranks 0, 2: {CALL} at "
        f"program.py:7|  rank 1: allreduce raised TypeError: expected an array (NumPy, "
    )
    assert re.search(r"; make one with numpy.asarray at program.py:7$", others[0])
    assert all(line.startswith(told) for line in others)


def test_a_world_that_nobody_closed_is_no_fault(launch, tmp_path):
    program = "\nworld = mpitrain.init()\nworld.barrier()\nprint(world.rank)\nsys.exit(world.rank == 5)\n"
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert sorted(out.replace("\n", "")) == ["0", "1", "2"]  # MPICH's launcher may run lines together


def test_a_rank_that_has_ended_answers_for_as_long_as_others_go_on(launch, tmp_path):
    program = """
world = mpitrain.init()
if world.rank == 1:
    sys.exit()
for call in (world.barrier, world.close):
    try:
        call()
    except mpitrain.CollectiveMismatch as mismatch:
        print(str(mismatch).splitlines()[-1])
"""
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.count("  rank 1: the end of the program") == out.count("rank") == 4
