"""Every CUDA source through the device's own compiler."""

import time
from collections.abc import Iterator

from clone import ROOT
from row import FAILED, Row

from mpitrain.device import Device
from mpitrain.kernel_source import source
from mpitrain.ops.launch import options


def rows(device: Device) -> Iterator[Row]:
    """One for each that fails, and one for the rest."""
    folder, compiled, begun = ROOT / "kernels", 0, time.perf_counter()
    for path in sorted(folder.rglob("*.cu")):
        file = str(path.relative_to(folder))
        try:
            device.xp.RawModule(code=source(file), options=options(file)).compile()
            compiled += 1
        except Exception as error:
            wrong = [line for line in str(error).splitlines() if "error" in line] or [str(error)]
            yield Row("compile", file, wrong[0][:200], FAILED)
    yield Row("compile", "all others", f"{compiled} files in {time.perf_counter() - begun:.0f} s")
