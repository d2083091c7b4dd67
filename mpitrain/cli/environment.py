"""What a measurement was made on: the facts without which its numbers say nothing."""

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from mpitrain import __version__
from mpitrain.world import World


def environment(world: World) -> dict[str, Any]:
    """Of this process and its machine; `mpi_library` is None in a world without MPI."""
    return {
        "ranks": world.size,
        "ranks_on_node": world.node_size,
        "cores": os.cpu_count(),
        "cpu": cpu_model(),
        "mpi_library": mpi_library(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas(),
        "mpitrain": __version__,
    }


def mpi_library() -> str | None:
    """Name and version of the MPI that this process runs under, None if it started none."""
    if "mpi4py.MPI" not in sys.modules:
        return None
    from mpitrain.engines.library import library_version

    return library_version()


def cpu_model() -> str:
    """As the kernel tells it."""
    try:
        told = re.search(r"^(?:model name|Model|cpu)\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        told = None
    return told[1].strip() if told else platform.machine()


def blas() -> str:
    """The one that NumPy has loaded, such as "openblas 0.3.31 (SkylakeX)": its kernels are chosen by processor."""
    for pool in threadpool_info():
        if pool["user_api"] == "blas":
            kernels = f" ({pool['architecture']})" if pool.get("architecture") else ""
            return f"{pool['internal_api']} {pool['version']}{kernels}"
    return "a BLAS that threadpoolctl does not know"
