"""Where arrays live: the CPU, a CUDA device through CuPy, or the emulated device, which is the CPU in CuPy's guise."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from mpitrain.errors import UsageError

Array = Any

NAMES = ("cpu", "cuda", "emulated")
TF32 = 80  # compute capability


class Memory(NamedTuple):
    """Bytes of a device's memory pool: those that arrays hold now, and all that it has taken from the device."""

    used: int
    total: int


@dataclass(frozen=True)
class Device:
    """One rank's device. `xp` is the module whose functions work on its arrays; `index` counts the GPUs of the node."""

    name: str
    xp: ModuleType
    index: int = 0

    @property
    def on_host(self) -> bool:
        """Whether its arrays are NumPy's."""
        return self.xp is np

    def array(self, host: Any) -> Array:
        """A NumPy array's numbers on the device: a copy, but on the CPU the array itself."""
        return self.xp.asarray(host)

    def host(self, x: Array) -> Any:
        """An array's numbers as a NumPy array: a copy, but on the CPU the array itself."""
        return x if self.on_host else self.xp.asnumpy(x)

    def synchronize(self) -> None:
        """Waits until the device has done all that it was given."""
        if not self.on_host:
            self.xp.cuda.Device(self.index).synchronize()

    def allow_tf32(self) -> None:
        """From now on this process multiplies float32 matrices by tensor cores, their operands rounded to 10 bits
        behind the point, sums in float32. UsageError on a device that has none."""
        if self.name != "cuda" or int(self.xp.cuda.Device(self.index).compute_capability) < TF32:
            raise UsageError(f"precision tf32 wants tensor cores of compute capability 8.0 or later, {self} has none")
        core = import_module("cupy._core")
        core.set_compute_type(np.float32, core.COMPUTE_TYPE_TF32)

    def __str__(self) -> str:
        """Its name, for people."""
        if self.name != "cuda":
            return self.name
        return f"GPU {self.index} ({self.xp.cuda.runtime.getDeviceProperties(self.index)['name'].decode()})"

    def memory(self) -> Memory | None:
        """Figures of the memory pool; None on the CPU, which has none."""
        if self.on_host:
            return None
        pool = self.xp.get_default_memory_pool()
        return Memory(pool.used_bytes(), pool.total_bytes())

    def identity(self) -> str:
        """What tells two devices of one host apart: where a GPU sits, and its UUID, since a part of one has its own."""
        if self.name != "cuda":
            return self.name
        uuid = self.xp.cuda.runtime.getDeviceProperties(self.index).get("uuid", b"")
        return f"{self.xp.cuda.Device(self.index).pci_bus_id} {uuid.hex()}"


def find(name: str, local_rank: int = 0) -> Device:
    """The device of a rank that is `local_rank`-th on its node; on a node of many GPUs ranks take turns at them.

    Makes a GPU the current device of this thread. UsageError, one line, for an unknown name, without CuPy, and
    without a GPU.
    """
    if name == "cpu":
        return Device(name, np)
    if name == "emulated":
        return Device(name, import_module("mpitrain.emulated"))
    if name != "cuda":
        raise UsageError(f"no device {name!r}; there are {', '.join(NAMES)}")
    cupy = _cupy()
    index = local_rank % _gpus(cupy)
    cupy.cuda.Device(index).use()
    return Device(name, cupy, index)


def _cupy() -> Any:
    try:
        return import_module("cupy")
    except ImportError as error:
        raise UsageError(
            f"device cuda takes CuPy, which cannot be imported: {_first_line(error)}; pip install 'mpitrain[cuda]'"
        ) from None


def _gpus(cupy: Any) -> int:
    """How many GPUs this process sees, at least one."""
    mend = "nvidia-smi tells whether one is there; --device cpu does without"
    try:
        count = int(cupy.cuda.runtime.getDeviceCount())
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UsageError(f"device cuda finds no GPU: {_first_line(error)}; {mend}") from None
    if count == 0:
        raise UsageError(f"device cuda finds no GPU: CUDA counts 0 devices; {mend}")
    return count


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def check_sharing(places: Sequence[tuple[str, str]]) -> None:
    """UsageError if two ranks hold one GPU, unless MPITRAIN_SHARE_GPU=1 says that they may.

    `places`: for each rank its host and what `Device.identity` says there. The error is the same on all ranks.
    """
    if os.environ.get("MPITRAIN_SHARE_GPU") == "1":
        return
    holders: dict[tuple[str, str], int] = {}
    for rank, place in enumerate(places):
        first = holders.setdefault(place, rank)
        if first != rank:
            raise UsageError(
                f"ranks {first} and {rank} share one GPU of {place[0]}, which makes both slow: start at most a rank "
                f"a GPU, or set MPITRAIN_SHARE_GPU=1 for a test",
                agreed=True,
            )
