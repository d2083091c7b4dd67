"""The stall report in whole jobs: who has not arrived, where the others wait, and how the job ends then."""

import pytest

HEAD = """\
import ctypes, os, signal, sys, time
import numpy as np
import mpitrain
"""
LIMITS = dict(MPITRAIN_STALL_WARN="1", MPITRAIN_STALL_ABORT="4", MPITRAIN_CHECK="0")
RING = "allreduce of 80 bytes (algorithm ring, engine shared)"

SCENARIOS = {
    "a rank asleep in the program": (
        """
def read_a_batch():
    time.sleep(100)

world = mpitrain.init()
for step in range(3):
    if world.rank == 1 and step == 2:
        read_a_batch()
    world.allreduce(np.ones(10), algorithm="ring")
""",
        f"in {RING}; rank 1 has not arrived\n"
        f"  ranks 0, 2: waiting in {RING}, collective 5, called at program.py:12\n"
        f"  rank 1: now at program.py:6 in read_a_batch, after 4 collectives\n",
    ),
    "a rank that has ended": (
        """
world = mpitrain.init()
if world.rank == 2:
    sys.exit(3)
world.allreduce(np.ones(10), algorithm="library")
""",
        "in allreduce of 80 bytes (algorithm library, engine mpi); rank 2 has not arrived\n"
        "  ranks 0, 1: waiting in allreduce of 80 bytes (algorithm library, engine mpi), collective 3, called at "
        "program.py:8\n"
        "  rank 2: ended after 2 collectives\n",
    ),
    "a rank that is stopped": (
        """
world = mpitrain.init("mpi")
plan = world.plan("allreduce", np.ones(10), algorithm="ring")
if world.rank == 1:
    os.kill(os.getpid(), signal.SIGSTOP)
plan.run()
""",
        "in allreduce of 80 bytes (algorithm ring, engine mpi); rank 1 has not arrived\n"
        "  ranks 0, 2: waiting in allreduce of 80 bytes (algorithm ring, engine mpi), collective 4, called at "
        "program.py:9\n"
        "  rank 1: no answer: ended, stopped, or holding Python's lock\n",
    ),
    "a rank that holds Python's lock": (
        """
world = mpitrain.init()
if world.rank == 2:
    ctypes.PyDLL(None).sleep(100)
world.barrier()
""",
        "in barrier; rank 2 has not arrived\n"
        "  ranks 0, 1: waiting in barrier, collective 3, called at program.py:8\n"
        "  rank 2: no answer: ended, stopped, or holding Python's lock\n",
    ),
    "ranks in different calls": (
        """
world = mpitrain.init()
if world.rank:
    world.barrier()
else:
    world.allreduce(np.ones(10), algorithm="ring")
""",
        f"in {RING}; the ranks wait in different calls\n"
        f"  rank 0: waiting in {RING}, collective 3, called at program.py:9\n"
        f"  ranks 1, 2: waiting in barrier, collective 3, called at program.py:7\n",
    ),
    "messages in a circle": (
        """
world = mpitrain.init()
world.recv(np.ones(10), (world.rank + 1) % 3, tag=7)
""",
        "in recv of 80 bytes from rank 1, tag 7\n"
        "  rank 0: waiting in recv of 80 bytes from rank 1, tag 7, after 2 collectives, called at program.py:6\n"
        "  rank 1: waiting in recv of 80 bytes from rank 2, tag 7, after 2 collectives, called at program.py:6\n"
        "  rank 2: waiting in recv of 80 bytes from rank 0, tag 7, after 2 collectives, called at program.py:6\n",
    ),
    "a work that its rank does not move": (
        """
world = mpitrain.init("shared")
world.allreduce(np.ones(10), algorithm="ring")
time.sleep(0.5 * world.rank)  # rank 0 finds nobody there, and so does not get far when it starts
work = world.start_allreduce(np.ones(10), algorithm="ring")
if world.rank == 0:
    time.sleep(100)
work.wait()
""",
        f"in {RING}; works of rank 0 are under way, and move in calls only\n"
        f"  rank 0: now at program.py:10 in <module>, after 4 collectives, 1 of them under way\n"
        f"  ranks 1, 2: waiting in {RING}, collective 4, called at program.py:11\n",
    ),
    "a rank that has closed its world": (
        """
world = mpitrain.init("mpi")
if world.rank == 0:
    world.close()
    time.sleep(100)
world.barrier()
""",
        "in barrier; rank 0 has not arrived\n"
        "  rank 0: world closed, now at program.py:8 in <module>, after 3 collectives\n"
        "  ranks 1, 2: waiting in barrier, collective 3, called at program.py:9\n",
    ),
}


def speaker(text):
    return next(int(rank) for rank in "012" if f"rank {rank}: waiting" in text or f"ranks {rank}, " in text)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_report_and_the_end_of_the_job(launch, tmp_path, scenario):
    program, text = SCENARIOS[scenario]
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py", **LIMITS)
    out, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    begin = f"mpitrain: rank {speaker(text)} of 3 has waited for more than "
    told = out + err
    assert told.count(f"{begin}1 s {text}") == 1, told
    assert told.count(f"{begin}4 s {text}mpitrain: the job ends, since its stall-abort is 4 s\n") == 1, told
    assert told.count("mpitrain: ") == 3, told


def test_a_stall_that_ends_is_told_once_and_the_next_one_again(launch, tmp_path):
    """Rank 0 comes late to the first barrier, and then waits long itself: that is the same stall."""
    program = """
world = mpitrain.init()
time.sleep({0: 2.5, 1: 5, 2: 0}[world.rank])
world.barrier()
world.barrier()
time.sleep(2.5 * (world.rank == 2))
world.barrier()
time.sleep(2.5)
world.close()
time.sleep(2.5 * (world.rank == 0))
"""
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py", MPITRAIN_STALL_WARN="1", MPITRAIN_CHECK="0")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out + err == (
        "mpitrain: rank 2 of 3 has waited for more than 1 s in barrier; ranks 0, 1 have not arrived\n"
        "  ranks 0, 1: now at program.py:6 in <module>, after 2 collectives\n"
        "  rank 2: waiting in barrier, collective 3, called at program.py:7\n"
        "mpitrain: rank 0 of 3 has waited for more than 1 s in barrier; rank 2 has not arrived\n"
        "  ranks 0, 1: waiting in barrier, collective 5, called at program.py:10\n"
        "  rank 2: now at program.py:9 in <module>, after 4 collectives\n"
    )


def test_in_checked_mode_ranks_wait_in_the_check(launch, tmp_path):
    program = """
world = mpitrain.init(stall_warn=1, stall_abort=2)
if world.rank == 1:
    time.sleep(100)
world.barrier()
"""
    (tmp_path / "program.py").write_text(HEAD + program)
    out, err = launch(3, "program.py").communicate(timeout=60)
    assert (
        "mpitrain: rank 0 of 3 has waited for more than 1 s in barrier, in the check of barrier(); "
        "rank 1 has not arrived\n"
        "  ranks 0, 2: waiting in barrier, in the check of barrier(), collective 3, called at program.py:8\n"
        "  rank 1: now at program.py:7 in <module>, after 2 collectives\n"
    ) in out + err


def test_the_options_of_a_run(launch, tmp_path):
    program = """
from mpitrain.cli import main
from mpitrain.training.trainer import Trainer

step = Trainer.step
def slow(self):
    if self.world.rank == 1 and self.done == 5:
        time.sleep(100)
    return step(self)
Trainer.step = slow
main(["--hidden", "8", "--progress", "plain", "--stall-warn", "1", "--stall-abort", "2.5"])
"""
    (tmp_path / "program.py").write_text(HEAD + program)
    process = launch(3, "program.py", MPITRAIN_CHECK="0")
    out, err = process.communicate(timeout=60)
    told = out + err
    assert process.returncode not in (0, None)
    assert "mpitrain: rank 0 of 3 has waited for more than 1 s in allreduce of " in told
    assert told.count("; rank 1 has not arrived\n") == 2
    assert "  rank 1: now at program.py:11 in slow, after " in told
    assert told.count("mpitrain: the job ends, since its stall-abort is 2.5 s\n") == 1


def test_limits_that_are_none(launch, tmp_path):
    (tmp_path / "program.py").write_text(HEAD + "mpitrain.init()\n")
    process = launch(2, "program.py", MPITRAIN_STALL_WARN="soon")
    out, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    assert "UsageError: MPITRAIN_STALL_WARN=soon: expected seconds, more than 0" in out + err
