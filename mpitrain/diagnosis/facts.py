"""What a process finds out about itself and its machine, without MPI: a table of probes.

A probe that raises is a finding, not an accident: its fact is None, and what it raised stands under "faults".
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import numpy as np

from mpitrain.engines import cuda_probe
from mpitrain.launch_environment import environment_rank
from mpitrain.launcher import cores, survey

Facts = dict[str, Any]
"""What one process knows, all of it fit for JSON."""

SECONDS = 20.0
"""What a program that we ask may take."""

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SLURM_VARIABLES = ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_JOB_NUM_NODES", "SLURM_CPUS_PER_TASK")

ASK_CUPY = """
import json
import cupy
from cupy.cuda import runtime
count = runtime.getDeviceCount()
names = {runtime.getDeviceProperties(number)["name"].decode() for number in range(count)}
assert float(cupy.ones(3).sum()) == 3
facts = {"count": count, "names": sorted(names), "version": cupy.__version__, "nccl": None, "nccl_fault": ""}
try:
    from cupy.cuda import nccl
    facts["nccl"] = nccl.get_version()
except (ImportError, RuntimeError) as error:
    facts["nccl_fault"] = str(error)
print(json.dumps(facts))
"""


def look(probes: Mapping[str, Callable[[], Any]]) -> Facts:
    """Ask every probe."""
    facts: Facts = {"faults": {}}
    for name, probe in probes.items():
        try:
            facts[name] = probe()
        except Exception as error:
            facts[name] = None
            facts["faults"][name] = " ".join(f"{type(error).__name__}: {error}".split())
    return facts


def _packages() -> dict[str, str | None]:
    """Version of everything that mpitrain requires, None where it is missing."""
    required = [text for text in metadata.requires("mpitrain") or [] if "extra ==" not in text]
    return {name: _version(name) for name in [re.split(r"[^\w.-]", text)[0] for text in required]}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _launcher() -> dict[str, str] | None:
    """The launcher that `mpitrain run` would take."""
    found = survey(os.environ).launcher
    if found is None:
        return None
    number = re.search(r"\d+(\.\d+)+", _answer(found.path, "--version"))
    return {
        "path": found.path, "family": found.family, "origin": found.origin, "version": number[0] if number else "",
    }  # fmt: skip


def _started_by() -> dict[str, Any] | None:
    launched = environment_rank(os.environ)
    return launched._asdict() if launched else None


def _blas() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return [
        {"name": pool["internal_api"], "version": pool["version"], "threads": pool["num_threads"]} for pool in pools
    ]


def _shared_room() -> dict[str, int]:
    """Bytes of /dev/shm, where shared windows are."""
    room = shutil.disk_usage("/dev/shm")
    return {"free": room.free, "total": room.total}


def _halves() -> list[str]:
    """The half types that add as they should: in float32, then rounded."""
    import ml_dtypes

    types = [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)]
    numbers = np.array([1.0, 1.5, 256.0], np.float32)
    return [kind.name for kind in types if (numbers.astype(kind) + numbers.astype(kind) == 2 * numbers).all()]


def _gpu() -> str | None:
    """The NVIDIA driver's word on the machine's GPUs; None without a driver."""
    if not shutil.which("nvidia-smi"):
        return None
    return ", ".join(_answer("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()) or None


def _cupy() -> dict[str, Any] | None:
    """What CuPy sees, asked in a process of its own since a broken driver may take its caller down; None without it."""
    return json.loads(_answer(sys.executable, "-c", ASK_CUPY)) if find_spec("cupy") else None


def _cuda_aware() -> str | None:
    """Why the MPI library does not take addresses of GPUs; None if it does, or nobody needs to know: without CuPy, and
    on all ranks but the first, which speaks for all."""
    launched = environment_rank(os.environ)
    return cuda_probe.obstacle() if find_spec("cupy") and not (launched and launched.rank) else None


def _answer(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise OSError((done.stderr.strip() or f"{command[0]} exits with {done.returncode}").splitlines()[-1])
    return done.stdout


PROBES: Mapping[str, Callable[[], Any]] = {
    "host": platform.node,
    "python": platform.python_version,
    "executable": lambda: sys.executable,
    "mpitrain": lambda: _version("mpitrain"),
    "mpi4py": lambda: _version("mpi4py"),
    "packages": _packages,
    "started_by": _started_by,
    "launcher": _launcher,
    "machine_cores": lambda: os.cpu_count(),
    "cores": cores,
    "bound_to": lambda: sorted(os.sched_getaffinity(0)),
    "slurm": lambda: {name: os.environ[name] for name in SLURM_VARIABLES if name in os.environ},
    "blas": _blas,
    "thread_variables": lambda: {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    "shared_room": _shared_room,
    "halves": _halves,
    "gpu": _gpu,
    "cupy": _cupy,
    "cuda_aware": _cuda_aware,
    "matplotlib": lambda: _version("matplotlib"),
}
