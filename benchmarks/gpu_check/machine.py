"""What the check ran on: the GPU, its driver, and the versions of what matters."""

import platform
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from row import Row

from mpitrain.device import Device


def rows(device: Device) -> Iterator[Row]:
    """One for each thing."""
    runtime = device.xp.cuda.runtime
    properties = runtime.getDeviceProperties(device.index)
    memory = properties["totalGlobalMem"] / 2**30
    capability = f"compute capability {properties['major']}.{properties['minor']}"
    yield Row("machine", "GPU", f"{properties['name'].decode()}, {memory:.0f} GiB, {capability}")
    yield Row("machine", "driver", f"{_driver()}, for CUDA {_version(runtime.driverGetVersion())}")
    yield Row("machine", "runtime", f"CUDA {_version(runtime.runtimeGetVersion())}")
    yield Row("machine", "Python", f"{platform.python_version()}, NumPy {np.__version__}")
    for name in ("cupy", "torch", "mpi4py", "ml_dtypes"):
        try:
            yield Row("machine", name, import_module(name).__version__)
        except Exception as error:
            yield Row("machine", name, f"not there ({type(error).__name__})")
    if device.name == "cuda":
        try:
            yield Row("machine", "NCCL", str(import_module("cupy.cuda.nccl").get_version()))
        except Exception as error:
            yield Row("machine", "NCCL", f"not there ({type(error).__name__})")


def _driver() -> str:
    """The version of NVIDIA's kernel module."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return "unknown"
    found = re.search(r"Kernel Module.*?(\d+\.[\d.]+)", text)
    return found[1] if found else "unknown"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
