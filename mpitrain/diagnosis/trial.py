"""A trial: two ranks are really launched, as `mpitrain run` would, and tell what they see of each other."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from mpitrain.launcher import plan, survey

RANKS = 2
SECONDS = 60.0
"""What the trial may take: a first start from a network file system is slow."""


class Trial(NamedTuple):
    """`told` is what the doctor of the launched ranks wrote with --json; None if they never came so far."""

    command: str
    seconds: float
    code: int | None  # None: no end within SECONDS
    output: str
    told: dict[str, Any] | None


def try_launch() -> Trial:
    """Launch the doctor itself on two ranks. `UsageError` where there is no launcher."""
    with tempfile.TemporaryDirectory(prefix="mpitrain-doctor-") as folder:
        answer, printed = Path(folder, "answer.json"), Path(folder, "printed")
        program = (sys.executable, "-m", "mpitrain", "doctor", "--json", str(answer))
        launch = plan(os.environ, survey(os.environ), RANKS, program)
        began = time.monotonic()
        # Into a file: ranks that outlive their launcher would hold a pipe open, and us with it.
        with printed.open("wb") as output:
            process = subprocess.Popen(
                launch.command, env=os.environ | dict(launch.environment),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                code = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                _end(process)
        told = json.loads(answer.read_text()) if answer.exists() else None
        text = printed.read_text(errors="replace")
        return Trial(" ".join(launch.command[:-6]), time.monotonic() - began, code, text, told)


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM first: Open MPI's ranks live on if their launcher is killed, and MPICH's launcher may wait for ever."""
    for end in (process.terminate, process.kill):
        if process.poll() is None:
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
