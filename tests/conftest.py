"""What all tests share: one thread of BLAS in every process, and starting mpitrain as a user would."""

import contextlib
import os
import subprocess
import sys

import pytest

from mpitrain.errors import UsageError
from mpitrain.launcher import plan, survey

# Before NumPy is loaded, and for what tests launch: several processes share the cores, and a thread that waits spins.
for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")


@pytest.fixture
def launch(tmp_path):
    """Starts `python ...` on some ranks (0: without a launcher), in an empty folder, in checked mode; gives a Popen."""

    def start(ranks, *arguments, **environment):
        command, needs = (sys.executable, *arguments), {}
        if ranks:
            try:
                found = plan(os.environ, survey(os.environ), ranks, command)
            except UsageError as error:
                pytest.skip(str(error))
            command, needs = found.command, dict(found.environment) | {"MPITRAIN_CHECK": "1"}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=os.environ | needs | environment, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    started = []
    yield start
    for process in started:  # a test that failed may have left it running
        for end in (process.terminate, process.kill):
            if process.poll() is None:
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture
def mpitrain(launch):
    """Runs `python -m mpitrain ...`; gives (exit code, stdout, stderr)."""

    def run(*arguments, ranks=0, **environment):
        process = launch(ranks, "-m", "mpitrain", *map(str, arguments), **environment)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    return run
