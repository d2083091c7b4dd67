"""Kernels for the CPU: source in, library out, built by g++ once and kept in a folder.

The folder is MPITRAIN_KERNEL_CACHE, or `mpitrain/kernels` in the user's cache. A library's name tells all that went
into it, so nothing in the folder is ever wrong, only unused. Of many ranks that want the same library one builds it.
MPITRAIN_KERNEL_FLAGS are more flags for g++, such as a sanitizer's.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mpitrain.errors import UsageError
from mpitrain.kernel_source import source

FLAGS = (
    "-std=c++17", "-O2", "-fPIC", "-shared", "-w",
    "-ffp-contract=off", "-fno-strict-aliasing",  # sums round as NumPy's; packs of numbers are read through a cast
    "-fno-gnu-unique", "-Wl,-Bsymbolic",  # two libraries may hold templates of one name, each its own
    "-U_FORTIFY_SOURCE", "-fcf-protection=none",  # longjmp leads to another stack, which these would take for an attack
)  # fmt: skip
SECONDS = 300  # that g++ may take: a moment, but eight ranks may build eight kernels on one core

# A kernel once the preprocessor has expanded the macros that may have made it; the attribute stands for __global__.
KERNEL = re.compile(r'extern\s+"C"\s+__attribute__\(\(used\)\)\s+void\s+(\w+)\s*\(')
# A shared array whose size only the launch tells. No macro can turn this into a pointer.
DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\s*\(\d+\)\s*)?([\w ]+?)\s+(\w+)\s*\[\s*\]\s*;")


def library(code: str) -> ctypes.CDLL:
    """The kernels of a CUDA source as functions of a library: NAME_on_cpu and NAME_signature (kernels/cpu/launch.h).

    `code` includes nothing of ours any more (`mpitrain.kernel_source`). UsageError if there is no g++ or no place to
    keep the library; RuntimeError with what g++ says if the source is wrong.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        raise UsageError(
            "the emulated device builds its kernels with g++, which is not there; install GCC's C++ compiler"
        )
    text = DYNAMIC.sub(r"\1 *\2 = (\1 *)cuda_on_cpu::dynamic_shared();", code)
    text = f'{source("cuda_on_cpu.h")}\n#line 1 "kernel"\n{text}\n'
    age = os.stat(compiler).st_mtime_ns
    flags = (*FLAGS, *os.environ.get("MPITRAIN_KERNEL_FLAGS", "").split())
    key = hashlib.sha256(repr((text, flags, compiler, age, platform.machine())).encode()).hexdigest()[:32]
    built = cache() / f"{key}.so"
    with _alone(built):
        if not built.exists():
            _build([compiler, *flags], text, built)
    return ctypes.CDLL(str(built))


def cache() -> Path:
    """The folder of libraries, made if need be. UsageError if nothing can be written there."""
    chosen = os.environ.get("MPITRAIN_KERNEL_CACHE")
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(chosen or Path(home) / "mpitrain" / "kernels")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise UsageError(
            f"the emulated device keeps its kernels in {folder}: {error.strerror}; name another folder by "
            f"MPITRAIN_KERNEL_CACHE"
        ) from None
    return folder


def _build(command: list[str], text: str, built: Path) -> None:
    with tempfile.TemporaryDirectory(dir=built.parent, prefix="build-") as folder:
        text_file, library_file = Path(folder, "kernel.cpp"), Path(folder, "kernel.so")
        text_file.write_text(text, encoding="utf-8")
        names = KERNEL.findall(_run([*command, "-E", "-P", str(text_file)]))
        text_file.write_text(text + "".join(f"CUDA_ON_CPU_KERNEL({name})\n" for name in names), encoding="utf-8")
        _run([*command, "-o", str(library_file), str(text_file)])
        os.replace(library_file, built)  # whole, or not there


def _run(command: list[str]) -> str:
    # What is loaded into every program beforehand, such as a sanitizer's library, is meant for Python.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    if ended.returncode:
        raise RuntimeError(f"g++ refuses the kernel:\n{ended.stderr}")
    return ended.stdout


@contextlib.contextmanager
def _alone(built: Path) -> Iterator[None]:
    """One process at a time. Where the file system knows no locks each builds, and the last one's library stays."""
    if built.exists():
        yield
        return
    with open(built.with_suffix(".lock"), "w") as file:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
