"""Weak scaling: the same batch a rank on more and more ranks, and how much of a rank's speed alone is left."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from mpitrain.scaling.exchange import Priced
from mpitrain.scaling.load import Load
from mpitrain.scaling.step import Gradients, Step, buckets, step

Exchanges = Callable[[int], Callable[[int], Priced]]
"""For so many ranks: what exchanging so many bytes takes."""


class Point(NamedTuple):
    """A number of ranks. `bare`: the step with no overlap. `algorithms`: those that exchange, in order of first use;
    if what one takes is not `exact`, steps are at most as long, and efficiencies at least as high."""

    ranks: int
    step: Step
    bare: Step
    samples_a_second: float
    efficiency: float
    bare_efficiency: float
    algorithms: tuple[str, ...]
    exact: bool


def sweep(load: Load, ranks: Iterable[int], exchanges: Exchanges, bucket_bytes: int, cycle: float = 0) -> list[Point]:
    """Efficiency is the step of one rank over the step of so many: one rank exchanges nothing."""
    ready = buckets(load.gradients, bucket_bytes, cycle)
    full = buckets(load.gradients, bucket_bytes)
    return [_point(load, size, ready, full, exchanges(size)) for size in ranks]


def _point(
    load: Load, ranks: int, ready: Sequence[Gradients], full: Sequence[Gradients], price: Callable[[int], Priced]
) -> Point:
    if ranks == 1:
        ready, full = (), ()

    def seconds(nbytes: int) -> float:
        return price(nbytes).seconds

    overlapped = step(load.computing, ready, seconds)
    bare = step(load.computing, full, seconds, overlap=False)
    return Point(
        ranks,
        overlapped,
        bare,
        ranks * load.batch / overlapped.seconds,
        load.computing / overlapped.seconds,
        load.computing / bare.seconds,
        tuple(dict.fromkeys(price(bucket.nbytes).algorithm for bucket in ready)),
        all(price(bucket.nbytes).exact for bucket in (*ready, *full)),
    )
