"""What a step must keep in memory, and the most that it takes.

Kept are the numbers without which the step could not go on, at the moment when the forward is done: parameters,
gradients, the optimiser's state, the batch and what the layers keep for the backward. On top come the arrays under way
and scratch.

The most that it takes is counted, not sampled: by Python's `tracemalloc`, which hears of every array of NumPy's and
every object, and by the pool of `memory.py`, which counts all it ever lent, free or not; on a device by the device's
pool. Runs differ by some hundred bytes. The kernel's own figure, resident pages, is shown beside; it is coarser,
by page and by what its counters have not added up yet, and has what the BLAS and the interpreter touched meanwhile.
"""

import ctypes
import gc
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mpitrain.data.samples import Samples
from mpitrain.device import Device
from mpitrain.memory import Loan, pool
from mpitrain.nn.kept import counting, owned
from mpitrain.training.config import Config
from mpitrain.training.trainer import Trainer
from mpitrain.world import World

STEPS = 3
"""Of which the last is measured: what is made once is there by then."""


class Footprint(NamedTuple):
    """Bytes on one rank."""

    samples: int  # of a step, on all ranks
    kept: Mapping[str, int]  # by what it is
    layers: Mapping[str, int]  # of what the contexts keep, by path of layer
    peak: int  # the most during a step, beyond what there was before the trainer
    resident: int | None  # the step's, by the kernel; None on a device, or where the kernel does not tell

    @property
    def total(self) -> int:
        """Of what is kept."""
        return sum(self.kept.values())

    @property
    def ratio(self) -> float:
        """The peak by what must be kept."""
        return self.peak / self.total


def footprint(world: World, config: Config, dataset: Samples, device: Device) -> Footprint:
    """Trains three times for a few steps: to count what is kept, for the kernel's figure, and for ours. Collective."""

    def fresh() -> Trainer:
        return Trainer(world, config, dataset, device)

    with _lasting(fresh) as trainer:
        samples, (parts, layers) = trainer.global_batch, _kept(trainer)
    _empty()
    if not device.on_host:
        del parts["order of the samples"]  # which the device does not see
        device.xp.get_default_memory_pool().free_all_blocks()
        before = _on_device(device)
        with _lasting(fresh) as trainer:
            peak = _peak(trainer, lambda: _on_device(device))
        return Footprint(samples, parts, layers, peak - before, None)
    at_first = _resident("VmRSS")
    with _lasting(fresh) as trainer:
        resident = _peak(trainer, _most_resident)
    _empty()
    tracemalloc.start()
    try:
        before = _on_host()
        with _lasting(fresh) as trainer:
            windows = sum(_windows(trainer))
            peak = _peak(trainer, _on_host) + windows
    finally:
        tracemalloc.stop()
    known = None if at_first is None or resident is None else resident - at_first
    return Footprint(samples, parts, layers, peak - before, known)


@contextmanager
def _lasting(fresh: Callable[[], Trainer]) -> Iterator[Trainer]:
    """A trainer that is closed in the end."""
    trainer = fresh()
    try:
        yield trainer
    finally:
        trainer.close()


def _empty() -> None:
    """Leave nothing of what was there."""
    gc.collect()
    pool.trim()
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)  # what glibc keeps of small arrays


def _peak(trainer: Trainer, figure: Callable[[], Any]) -> Any:
    """The figure after a step, where it is a maximum since the last one began."""
    for _ in range(STEPS - 1):
        trainer.step()
    _forget_peaks()
    trainer.step()
    return figure()


def _kept(trainer: Trainer) -> tuple[dict[str, int], Mapping[str, int]]:
    replica, values = trainer.replica, trainer.values
    with counting(replica.model, (values, replica.working, replica.buffers)) as forwards:
        trainer.step()
    found = max(forwards, key=lambda forward: forward.total)  # of the microbatches
    target = trainer.dataset.test_batch(slice(0, 1))[1]
    state = [array for array in trainer.update.state().values() if array.ndim]
    parts = {
        "parameters": values.nbytes,
        "working copy of the parameters": 0 if replica.copy is None else replica.copy.nbytes,
        "gradients": trainer.strategy.gradients.nbytes,
        "state of the optimiser": sum(owned(state).values()),
        "buffers": replica.buffers.nbytes,
        "order of the samples": np.dtype(np.int64).itemsize * trainer.dataset.count,
        "batch": found.inputs + found.samples * target.nbytes,
        "for the backward": found.total,
    }
    return {name: size for name, size in parts.items() if size}, found.contexts


def _windows(trainer: Trainer) -> Iterator[int]:
    """Arrays in memory that ranks share, which NumPy does not hear of."""
    for array in (trainer.values, trainer.strategy.gradients):
        while isinstance(array.base, np.ndarray):
            array = array.base
        if isinstance(array.base, Loan):
            yield array.nbytes


def _forget_peaks() -> None:
    if tracemalloc.is_tracing():
        tracemalloc.reset_peak()
    refs = Path("/proc/self/clear_refs")
    if refs.exists():
        refs.write_text("5")


def _on_host() -> int:
    return tracemalloc.get_traced_memory()[1] + pool.figures().total


def _on_device(device: Device) -> int:
    memory = device.memory()
    return 0 if memory is None else memory.total


def _most_resident() -> int | None:
    return _resident("VmHWM")


def _resident(name: str) -> int | None:
    """A figure of the kernel's about this process, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    found = [line.split()[1] for line in status.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(found[0]) * 1024 if found else None
