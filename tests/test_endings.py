"""How jobs end before their time, watched from outside: by a rank's fault, by Ctrl-C, by SIGTERM."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from safetensors.numpy import load_file
from watching import alive, shared_files, wait_until

QUICK = ("--epochs", "1", "--batch", "100", "--hidden", "8", "--progress", "plain")

FAILS_IN_THE_MIDDLE = """
import os, sys
from mpitrain.training.trainer import Trainer

step = Trainer.step
def failing(self):
    if self.world.rank == 1 and self.done == 5:
        print("pids", *self.world.pids, file=sys.stderr, flush=True)
        raise RuntimeError("out of paper")
    return step(self)
Trainer.step = failing

from mpitrain.engines.mpi import MPIWorld
made = MPIWorld.__init__
def with_pids(self, *arguments):
    made(self, *arguments)
    self.pids = self._comm.allgather(os.getpid())
MPIWorld.__init__ = with_pids

from mpitrain.cli import main
main(sys.argv[1:])
"""


def test_a_rank_that_raises_ends_the_whole_job(launch, tmp_path):
    (tmp_path / "fails.py").write_text(FAILS_IN_THE_MIDDLE)
    process = launch(3, "fails.py", *QUICK)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert process.returncode not in (0, None)
    told = out + err
    assert told.count("mpitrain: rank 1 of 3 failed:") == 1
    assert told.count("RuntimeError: out of paper") == 1
    assert time.monotonic() - began < 30  # of which starting takes most
    pids = next(line for line in told.splitlines() if line.startswith("pids")).split()[1:]
    assert len(pids) == 3
    assert wait_until(lambda: not any(map(alive, pids)), 10)


ALL_FAIL = """
from mpitrain.cli import main
from mpitrain.errors import UsageError
from mpitrain.training.trainer import Trainer

def failing(self):
    raise UsageError("no more paper")
Trainer.step = failing
main(["--progress", "plain"])
"""


def test_what_all_ranks_raise_is_told_by_the_first(launch, tmp_path):
    """The launcher's SIGTERM reaches the others while they let it speak."""
    (tmp_path / "fails.py").write_text(ALL_FAIL)
    process = launch(3, "fails.py")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert (out + err).count("mpitrain: rank 0 of 3: no more paper\n") == (out + err).count("no more paper") == 1
    assert "Traceback" not in out + err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("ranks", [0, 2])
def test_a_signal_leaves_whole_files_with_the_metrics_so_far(launch, tmp_path, ranks, ending):
    process = launch(ranks, "-m", "mpitrain", "--epochs", "1000", "--progress", "plain", "--hidden", "8")

    def steps():
        return [line for path in tmp_path.glob("runs/*/metrics.jsonl") for line in path.read_text().splitlines()]

    assert wait_until(lambda: any(tmp_path.glob("runs/*/state/*.safetensors")), 30)
    process.send_signal(ending)
    process.communicate(timeout=20)
    assert process.returncode not in (0, None)
    records = [json.loads(line) for line in steps()]
    numbers = [record["step"] for record in records if record["kind"] == "step"]
    assert numbers == list(range(1, len(numbers) + 1))
    (checkpoint,) = tmp_path.glob("runs/*/state/*.safetensors")
    assert load_file(checkpoint)
    assert not list(tmp_path.glob("runs/*/summary.json"))


class Job(NamedTuple):
    """A user's own script on some ranks: its launcher, the ranks' processes, and their files in /dev/shm."""

    launcher: subprocess.Popen
    pids: list[int]
    files: set[str]

    def leaves_nothing(self):
        gone = wait_until(lambda: not any(map(alive, self.pids)), 10)
        return gone and wait_until(lambda: not any(Path(file).exists() for file in self.files), 10)


SCRIPT = """
import os, signal, threading
from pathlib import Path
import numpy as np
import mpitrain

world = mpitrain.init()
numbers = np.ones(1000)
world.allreduce(numbers, "max")
Path(f"{world.rank}.unfinished").write_text(str(os.getpid()))
Path(f"{world.rank}.unfinished").rename(f"{world.rank}.pid")
"""


@pytest.fixture
def job(launch, tmp_path):
    """Starts SCRIPT with some more lines on 3 ranks; gives the Job when all ranks are under way."""

    def start(lines):
        (tmp_path / "script.py").write_text(SCRIPT + lines)
        process = launch(3, "script.py")
        notes = [tmp_path / f"{rank}.pid" for rank in range(3)]
        assert wait_until(lambda: all(note.exists() for note in notes), 30)
        pids = [int(note.read_text()) for note in notes]
        return Job(process, pids, set().union(*map(shared_files, pids)))

    return start


LOOPING = "while True: world.allreduce(numbers, 'max')"
DEADLOCKED = "world.recv(numbers, (world.rank + 1) % 3)"


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("lines", [LOOPING, DEADLOCKED], ids=["looping", "deadlocked"])
def test_a_signal_to_the_launcher_leaves_nothing_of_a_users_script(job, lines, ending):
    running = job(lines)
    assert running.files
    time.sleep(0.3)  # into the loop
    running.launcher.send_signal(ending)
    running.launcher.communicate(timeout=20)
    assert running.launcher.returncode not in (0, None)
    assert running.leaves_nothing()


def test_a_rank_that_is_killed_leaves_nothing(job):
    running = job(LOOPING)
    os.kill(running.pids[1], signal.SIGKILL)
    running.launcher.communicate(timeout=20)
    assert running.launcher.returncode not in (0, None)
    assert running.leaves_nothing()


def test_a_process_without_peers_leaves_nothing(launch, tmp_path):
    lines = """
import re
import mpitrain
mpitrain.init("mpi").close()
print(*re.findall(r"/dev/shm/\\S+", open("/proc/self/maps").read()))
"""
    (tmp_path / "script.py").write_text(lines)
    out, err = launch(0, "script.py").communicate(timeout=30)
    assert err == ""
    assert not any(Path(file).exists() for file in out.split())


@pytest.mark.parametrize("waiting", [LOOPING, DEADLOCKED], ids=["looping", "deadlocked"])
def test_an_exception_in_a_thread_ends_the_job_and_names_the_rank(launch, tmp_path, waiting):
    raising = """
def reads():
    raise OSError("no such disk")
if world.rank == 1:
    threading.Timer(0.3, reads).start()
"""
    (tmp_path / "script.py").write_text(SCRIPT + raising + waiting)
    process = launch(3, "script.py")
    out, err = process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    told = out + err
    assert told.count("mpitrain: rank 1 of 3, thread Thread-") == 1
    assert told.count("OSError: no such disk") == 1


def test_a_thread_that_ends_itself_ends_nothing(launch, tmp_path):
    ending = "threading.Thread(target=lambda: (_ for _ in ()).throw(SystemExit)).start()\nworld.close()\n"
    (tmp_path / "script.py").write_text(SCRIPT + ending)
    process = launch(3, "script.py")
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_a_programs_own_handler_of_ctrl_c_stays(launch, tmp_path):
    own = """
signal.raise_signal(signal.SIGINT)
Path(f"{world.rank}.heard").write_text(str(heard))
world.close()
"""
    before = "import signal\nheard = []\nsignal.signal(signal.SIGINT, lambda *_: heard.append(1))\n"
    (tmp_path / "script.py").write_text(before + SCRIPT + own)
    process = launch(3, "script.py")
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0
    assert [(tmp_path / f"{rank}.heard").read_text() for rank in range(3)] == ["[1]"] * 3
