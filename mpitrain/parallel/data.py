"""Data parallelism: every rank holds the whole model and its share of each global batch.

Gradients are scaled by samples of the global batch and summed over ranks, so that uneven shares weigh rightly and a
rank without samples adds zeros. They lie in one vector, in the order in which backward finishes them, behind a header
that carries the batch's loss along with the first bucket:

    message:  | header | fc2 .......... | conv2 ............ | conv1 |
                         bucket 0         bucket 1              2       each goes out once backward is past it
"""

from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import to_host
from mpitrain.event import Event
from mpitrain.nn.layout import Layout
from mpitrain.world import Plan, Work, World

HEADER = 16
"""Elements before the gradients, one cache line of float32: sums of loss and score, the rest free. Where gradients are
of a half type, which could not hold these sums, the header travels by itself."""


class Bucket(NamedTuple):
    """A range of the message, complete once backward has finished `last_unit`."""

    start: int
    stop: int
    last_unit: str


class Exchanged(NamedTuple):
    """What an exchange brought: sums over the global batch; the events of its buckets; seconds spent in calls that
    started or moved buckets on while backward ran; and when this rank had nothing left to do but wait, and when the
    wait ended, on the world's clock."""

    loss_sum: float
    score_sum: float
    events: tuple[Event, ...]
    overlapped: float
    arrived: float
    ended: float

    @property
    def seconds(self) -> float:
        """What the exchange took of the step: calls during backward, and the wait at its end."""
        return self.overlapped + self.ended - self.arrived


def cut_buckets(layout: Layout, bucket_bytes: int, itemsize: int) -> list[Bucket]:
    """Whole units in the order of backward; a bucket is closed once it has `bucket_bytes` bytes or more."""
    buckets, start = [], 0
    for unit, span in layout.units.items():
        stop = HEADER + span.stop
        if (stop - start) * itemsize >= bucket_bytes or span.stop == layout.count:
            buckets.append(Bucket(start, stop, unit))
            start = stop
    return buckets


class DataParallel:
    """Sums gradients over all ranks while backward still runs. Collective to make.

    The model writes to `gradients`, a vector of the layout; `begin`, then `finished` for each unit, then `finish`.
    """

    def __init__(
        self,
        world: World,
        layout: Layout,
        algorithm: str = "auto",
        bucket_bytes: int = 1 << 20,
        dtype: Any = np.float32,
    ):
        self.world = world
        message = world.empty(HEADER + layout.count, dtype)
        message[:HEADER] = 0
        self.header, self.gradients = message[:HEADER], message[HEADER:]
        self.buckets = cut_buckets(layout, bucket_bytes, message.itemsize)
        self.plans: list[Plan] = [
            world.plan("allreduce", message[bucket.start : bucket.stop], algorithm=algorithm, op="sum")
            for bucket in self.buckets
        ]
        self._header_plan: Plan | None = None
        if message.itemsize < 4:
            self.header = world.empty(HEADER)
            self.header[...] = 0
            self._header_plan = world.plan("allreduce", self.header, op="sum")
        self._under_way: list[Work] = []
        self._header_work: Work | None = None
        self._overlapped = 0.0

    @property
    def algorithms(self) -> str:
        """The buckets' algorithms, such as `ring` or `ring, recursive_doubling`."""
        return ", ".join(dict.fromkeys(plan.algorithm for plan in self.plans))

    @property
    def engines(self) -> str:
        """Where they run, such as `shared`, or `shared, mpi`."""
        return ", ".join(dict.fromkeys(plan.engine for plan in self.plans))

    def explained(self) -> str:
        """What runs for each bucket, why, and what would have come second: a line a bucket."""
        lines = []
        for bucket, plan in zip(self.buckets, self.plans, strict=True):
            nbytes = (bucket.stop - bucket.start) * self.gradients.itemsize
            choice = self.world.explain("allreduce", nbytes)
            taken = choice if plan.why == choice.reason else f"{plan.engine} {plan.algorithm}: {plan.why}"
            lines.append(f"gradients up to {bucket.last_unit}, {nbytes:,} bytes: {taken}")
        return "\n".join(lines)

    def begin(self, loss_sum: Any, score_sum: Any) -> None:
        """Forward is done: what the header carries is known."""
        self.header[0], self.header[1] = loss_sum, score_sum
        self._under_way, self._overlapped = [], 0.0
        self._header_work = None if self._header_plan is None else self._header_plan.start()

    def finished(self, unit: str) -> None:
        """Backward has finished this unit: its bucket goes out if it is complete, and earlier ones move on."""
        entered = self.world.now()
        self.world.move_on()
        waiting = len(self._under_way)
        if waiting < len(self.buckets) and self.buckets[waiting].last_unit == unit:
            self._under_way.append(self.plans[waiting].start())
        self._overlapped += self.world.now() - entered

    def finish(self) -> Exchanged:
        """Wait for all buckets: `gradients` are the global batch's then."""
        arrived = self.world.now()
        for work in self._under_way if self._header_work is None else [self._header_work, *self._under_way]:
            work.wait()
        loss_sum, score_sum = map(float, to_host(self.header[:2]))  # on a device this waits for all that came before
        ended = self.world.now()
        events = tuple(work.event for work in self._under_way if work.event is not None)
        return Exchanged(loss_sum, score_sum, events, self._overlapped, arrived, ended)

    def close(self) -> None:
        """Free the plans. Collective."""
        for plan in self.plans if self._header_plan is None else [self._header_plan, *self.plans]:
            plan.free()

    def state(self) -> dict[str, np.ndarray]:
        """Nothing outlives a step."""
        return {}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        if state:
            raise ValueError(f"data parallelism keeps no state: found {', '.join(sorted(state))}")
