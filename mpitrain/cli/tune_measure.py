"""Measure all ways of a collective at some sizes, in turns: a first look at each, then those that may be the best."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.bench_ways import Way, check, named, our_ways
from mpitrain.cli.turns import take_turns
from mpitrain.tuning import choice
from mpitrain.tuning.measured import Measured
from mpitrain.world import World

HOPELESS = 2.5
"""A way that took so many times the best one's time at the first look is not looked at again."""

LOOKS = 3  # rounds of the first look, of which the best counts

SAMPLE = 2e-3
"""Seconds that a sample of the best way should last, by as many calls in a row, at most 100."""

QUANTILE = 0.25
"""What counts of a way's samples: other programs only ever add to a time, so that the lower ones tell more."""

ROOM = 1 << 30
"""Bytes that the plans of all ranks may take at one time: ways that need more are measured some at a time."""


def measure(world: World, collective: str, sizes: Sequence[int], rounds: int, about: Mapping[str, Any]) -> Measured:
    """Ours and the library's, as plans that `auto` may take. Collective."""
    kind, dtype = KINDS[collective], np.dtype(np.float32)
    tried = [0] if kind.bus is None else sizes
    window = world.empty(kind.elements(max(tried), dtype.itemsize, world.size), dtype)
    times: dict[choice.Way, list[float]] = {}
    measured = []
    for nbytes in tried:
        count = kind.elements(nbytes, dtype.itemsize, world.size)
        buffer = window[:count]
        if buffer.nbytes in measured:  # sizes that blocks of equal length make one
            continue
        names = named(world, collective, "all", adhoc=False, library=True)
        at_once = max(1, ROOM // max(1, buffer.nbytes * world.node_size))
        seconds: dict[choice.Way, float] = {}
        for start in range(0, len(names), at_once):
            ways = our_ways(world, collective, buffer, names[start : start + at_once])
            for way, found in zip(ways, timed(world, collective, ways, rounds), strict=True):
                seconds[choice.Way(way.engine, way.algorithm)] = found
                way.free()
        for of, found in seconds.items():
            times.setdefault(of, []).append(found)
        measured.append(buffer.nbytes)
    return Measured(tuple(measured), {way: tuple(found) for way, found in times.items()}, about)


def timed(world: World, collective: str, ways: Sequence[Way], rounds: int) -> list[float]:
    """Seconds of each way. Collective, and alike on all ranks."""
    for way in ways:
        check(world, collective, way, seed=0)
    runs = [way.run for way in ways]
    nbytes = ways[0].buffer.nbytes
    looks = take_turns(world, runs, LOOKS, max(1, min(5, (16 << 20) // max(nbytes, 1)))).min(axis=0)
    best = float(looks.min())
    contending = [number for number, look in enumerate(looks) if look <= HOPELESS * best]
    calls = max(1, min(100, int(SAMPLE / best)))
    samples = take_turns(world, [runs[number] for number in contending], rounds, calls)
    seconds = looks.tolist()
    for number, found in zip(contending, np.quantile(samples, QUANTILE, axis=0).tolist(), strict=True):
        seconds[number] = found
    return seconds
