"""NCCL's own allreduce and our schedules over NCCL: on 1 rank, and if there is an MPI on 2 and 4.

They may share one GPU, and then talk by sockets: this says what is right, not what is fast.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from row import FAILED, SKIPPED, Row, read

from mpitrain.device import Device
from mpitrain.errors import UsageError
from mpitrain.launcher import plan, survey

SECONDS = {1: 25, 2: 30, 4: 40}  # ranks that wait for each other on one GPU may wait for ever
GRACE = 4  # seconds for a launcher to end its ranks


def rows(device: Device) -> Iterator[Row]:
    """One for each algorithm and number of ranks."""
    for ranks, seconds in SECONDS.items():
        command, environment = (sys.executable, str(Path(__file__).with_name("ranks.py")), device.name), {}
        if ranks > 1:
            try:
                import mpi4py  # noqa: F401

                found = plan(os.environ, survey(os.environ), ranks, command)
            except (ImportError, UsageError) as error:
                yield Row("NCCL", f"ranks: {ranks}", str(error), SKIPPED)
                continue
            command, environment = found.command, dict(found.environment)
        yield from _run(command, os.environ | environment | {"MPITRAIN_SHARE_GPU": "1"}, ranks, seconds)


def _run(command: tuple[str, ...], environment: dict[str, str], ranks: int, seconds: float) -> Iterator[Row]:
    process = subprocess.Popen(
        command, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        out, error = process.communicate(timeout=seconds)
        ended = f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            out, error = process.communicate(timeout=GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, error = process.communicate()
        ended = f"stopped after {seconds} s"
    yield from filter(None, map(read, out.splitlines()))
    if process.returncode:
        last = (error.strip().splitlines() or [""])[-1][:160]
        yield Row("NCCL", f"ranks: {ranks}", f"{ended}: {last}", FAILED)
