"""Does the MPI library take addresses of a device? One that does not may return nonsense, crash, or never return.

So a child process asks, alone in an MPI world of its own, which costs nobody anything if it goes wrong.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache

SECONDS = 30.0
"""What the child may take: CuPy and MPI start from a slow file system, and a hang ends there."""

PROGRAM = """
import cupy
import mpi4py
mpi4py.rc.threads = False
from mpi4py import MPI

def shown(array):
    return [MPI.buffer.fromaddress(array.data.ptr, array.nbytes), MPI.BYTE]

for count in (1, 1 << 20):
    sent = cupy.full(count, 3, "float32")
    received = cupy.zeros(count, "float32")
    cupy.cuda.Device().synchronize()
    MPI.COMM_SELF.Sendrecv(shown(sent), 0, recvbuf=shown(received), source=0)
    if not bool((received == 3).all()):
        raise SystemExit("what arrives is not what was sent")
print("takes them")
"""

LAUNCHERS = (
    "OMPI_COMM_",
    "OMPI_UNIVERSE",
    "OMPI_FILE",
    "OMPI_APP",
    "PMIX_",
    "PMI_",
    "PRTE_",
    "HYDRA_",
    "MPI_LOCAL",
    "SLURM_",
)
"""How variables begin that make a process believe that it is a rank of a job."""


@cache
def obstacle() -> str | None:
    """Why addresses of a device are nothing for this MPI library; None if it takes them. Remembered."""
    return answer_of(PROGRAM, SECONDS)


def answer_of(program: str, seconds: float) -> str | None:
    """What is wrong, by such a program in a process of its own; None if it says "takes them"."""
    command = (sys.executable, "-c", program)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL, env=alone(os.environ)
        )
    except subprocess.TimeoutExpired:
        return f"a trial did not end within {seconds:g} s"
    if done.returncode < 0:
        return f"a trial ended by {signal.Signals(-done.returncode).name}"
    if done.returncode or done.stdout.strip() != "takes them":
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        return f"a trial failed: {lines[-1][:120]}"
    return None


def alone(environment: Mapping[str, str]) -> dict[str, str]:
    """The same without a launcher."""
    return {name: value for name, value in environment.items() if not name.startswith(LAUNCHERS)}
