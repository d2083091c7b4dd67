"""What no algorithm can pass where ranks send messages: bounds of a collective, from the cost of one message.

A message of n bytes takes alpha + beta n. Where every rank's part must reach another, ceil(log2 p) messages follow each
other: the latency bound. Every rank's link carries the bus factor's share of the data: the bandwidth bound.

Chan, Heimlich, Purkayastha and van de Geijn, Collective communication: theory, practice, and experience,
Concurrency and Computation 19(13), 2007
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.turns import take_turns
from mpitrain.world import World


class Link(NamedTuple):
    """Seconds a message, and seconds a byte."""

    alpha: float
    beta: float


def latency_bound(link: Link, ranks: int) -> float:
    """Seconds."""
    return link.alpha * (ranks - 1).bit_length()


def bandwidth_bound(link: Link, collective: str, ranks: int, nbytes: float) -> float:
    """Seconds."""
    factor = KINDS[collective].bus
    return 0.0 if factor is None else factor(ranks) * nbytes * link.beta


def fitted(nbytes: Sequence[int], seconds: Sequence[float]) -> Link:
    """Least squares of the relative errors, so that small messages count as much as large ones; none below zero."""
    sizes, times = np.array(nbytes, float), np.array(seconds)
    matrix = np.stack([1 / times, sizes / times], axis=1)
    alpha, beta = np.linalg.lstsq(matrix, np.ones(len(times)), rcond=None)[0]
    return Link(max(float(alpha), 0.0), max(float(beta), 0.0))


def ping_pong(world: World, sizes: Sequence[int], rounds: int = 9) -> Link | None:
    """Fitted to half the time of messages there and back between ranks 0 and 1, of one byte and of these sizes.

    None for a single rank. Collective.
    """
    if world.size == 1:
        return None
    from mpitrain.engines.library import bare_ping_pong

    tried = sorted({1, *sizes})
    seconds = []
    for nbytes in tried:
        there_and_back = partial(bare_ping_pong, np.zeros(nbytes, np.uint8))
        calls = max(1, min(50, (16 << 20) // nbytes))
        seconds.append(float(np.median(take_turns(world, [there_and_back], rounds, calls))) / 2)
    return fitted(tried, seconds)
