"""Every CUDA source through the device's own compiler, some at once. What it makes is kept for the later parts."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from clone import ROOT
from row import FAILED, Row

from mpitrain.device import Device
from mpitrain.kernel_source import source
from mpitrain.ops.launch import options

AT_ONCE = 8


def rows(device: Device) -> Iterator[Row]:
    """One for each that fails, and one for the rest."""
    folder, begun = ROOT / "kernels", time.perf_counter()
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.cu"))
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        wrong = [row for row in pool.map(partial(_compiled, device), files) if row is not None]
    yield from wrong
    yield Row("compile", "all others", f"{len(files) - len(wrong)} files in {time.perf_counter() - begun:.0f} s")


def _compiled(device: Device, file: str) -> Row | None:
    try:
        device.xp.RawModule(code=source(file), options=options(file)).compile()
    except Exception as error:
        lines = [line for line in str(error).splitlines() if "error" in line] or [str(error)]
        return Row("compile", file, lines[0][:200], FAILED)
    return None
