"""A pass of the network as one CUDA graph: recorded once, then launched as a whole.

A small network is done with its kernels sooner than Python can launch them one by one. A graph of all of them costs one
launch. It works on the memory of when it was recorded, so that batches are copied to one place first, and all that lies
between comes from a pool of its own, which nobody else gets memory from. The numbers that are arguments of kernels stay
what they were: a batch of another shape, or another scale of the loss, is another graph.

    CUDA C++ Programming Guide, "CUDA Graphs"
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.device import Device

Array = Any
Batch = tuple[Any, Any]
Compute = Callable[[Any, Any, float], tuple[Array, Array]]

KEPT = 4
"""Graphs at most: the usual batch, an epoch's last one, and a scale before."""


class GraphedPass:
    """`compute(inputs, targets, scale)` reads a batch on the device, writes gradients, and gives the two sums of the
    loss on the device; it may not look at any number. `moved` is memory that it moves on, rather than overwrites.

    The first call for a kind of batch runs it as it is, which compiles the kernels; the second records it.
    """

    def __init__(self, device: Device, compute: Compute, moved: Array):
        self.device, self.compute, self.moved = device, compute, moved
        self._pool = device.xp.cuda.MemoryPool()
        self._stream = device.xp.cuda.Stream(non_blocking=True)
        self._recorded: dict[Any, Recorded | None] = {}

    def __call__(self, inputs: Any, targets: np.ndarray, scale: float) -> tuple[Array, Array]:
        """Of a batch on the host."""
        kind = (*_kinds(inputs), *_kinds(targets), scale)
        if kind not in self._recorded:
            while len(self._recorded) >= KEPT:
                del self._recorded[next(iter(self._recorded))]
            self._recorded[kind] = None
            return self.compute(self._placed(inputs), self._placed(targets), scale)
        recorded = self._recorded[kind]
        if recorded is None:
            recorded = self._recorded[kind] = self._record(inputs, targets, scale)
        recorded.take(inputs, targets)
        recorded.graph.launch(self.device.xp.cuda.get_current_stream())
        return recorded.sums

    def _record(self, inputs: Any, targets: np.ndarray, scale: float) -> "Recorded":
        xp, before = self.device.xp, self.moved.copy()
        with xp.cuda.using_allocator(self._pool.malloc), self._stream:
            batch = self._placed(inputs), self._placed(targets)
            self.compute(*batch, scale)  # so that the pool has all the memory: none can be had while recording
            self._stream.begin_capture()
            sums = self.compute(*batch, scale)
            graph = self._stream.end_capture()
        self._stream.synchronize()
        self.moved[...] = before
        return Recorded(graph, batch, sums)

    def _placed(self, host: Any) -> Any:
        return tuple(map(self._placed, host)) if isinstance(host, tuple) else self.device.array(host)


class Recorded:
    """A graph, where it finds its batch, and where it leaves the sums."""

    def __init__(self, graph: Any, batch: Batch, sums: tuple[Array, Array]):
        self.graph, self.batch, self.sums = graph, batch, sums

    def take(self, inputs: Any, targets: np.ndarray) -> None:
        for place, host in zip(_arrays(self.batch), _arrays((inputs, targets)), strict=True):
            place.set(np.ascontiguousarray(host))


def _arrays(batch: Any) -> list[Any]:
    return [array for part in batch for array in _arrays(part)] if isinstance(batch, tuple) else [batch]


def _kinds(arrays: Any) -> list[tuple[Any, ...]]:
    return [(array.shape, array.dtype) for array in _arrays(arrays)]
