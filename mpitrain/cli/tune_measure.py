"""Measure all ways of a collective at some sizes, in turns: a first look at each, then those that may be the best."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.bench_ways import Memory, Way, check, named, our_ways
from mpitrain.cli.turns import take_turns
from mpitrain.tuning import choice
from mpitrain.tuning.measured import Measured
from mpitrain.world import World

HOPELESS = 2.5
"""A way that took so many times the best one's time at the first look is not looked at again."""

LOOKS = 3  # rounds of the first look, of which the best counts

FINER = 2
"""How often the gaps between sizes are halved where it matters: the library's times jump where its protocol changes."""

MATTERS = 1.08
"""How many times longer a neighbour's best way must take than the best one for that."""

SAMPLE = 2e-3
"""Seconds that a sample of the best way should last, by as many calls in a row, at most 100."""

QUANTILE = 0.25
"""What counts of a way's samples: other programs only ever add to a time, so that the lower ones tell more."""

TOKEN = 1  # bytes, by which a barrier is looked up

ROOM = 1 << 30
"""Bytes that the plans of all ranks may take at one time: ways that need more are measured some at a time."""


Times = dict[int, dict[choice.Way, float]]
"""By bytes of the whole buffer, seconds of each way."""


def measure(
    world: World, collective: str, sizes: Sequence[int], rounds: int, about: Mapping[str, Any], finer: int = FINER
) -> Measured:
    """Ours and the library's, as plans that `auto` may take; at these sizes, and between those where another way
    becomes the best, so often as `finer` says. Collective."""
    kind, dtype = KINDS[collective], np.dtype(np.float32)
    tried = [0] if kind.bus is None else sizes
    window = world.empty(kind.room(kind.elements(max(tried), dtype.itemsize, world.size)), dtype)
    times: Times = {}
    for level in range(1 + finer):
        for nbytes in tried if level == 0 else between(times):
            memory = Memory.of(world, collective, window, kind.elements(nbytes, dtype.itemsize, world.size))
            size = TOKEN if kind.bus is None else memory.nbytes
            if size not in times:  # blocks of equal length may make two sizes one
                times[size] = _of_memory(world, collective, memory, rounds)
    visited = sorted(times)
    ways = times[visited[0]]
    return Measured(tuple(visited), {way: tuple(times[nbytes][way] for nbytes in visited) for way in ways}, about)


def between(times: Times) -> list[int]:
    """Sizes halfway, on a logarithmic scale, between two of which one's best way is not good at the other."""
    found = []
    for below, above in pairwise(sorted(times)):
        first, second = times[below], times[above]
        loss = max(
            second[min(first, key=lambda way: first[way])] / min(second.values()),
            first[min(second, key=lambda way: second[way])] / min(first.values()),
        )
        middle = round(sqrt(below * above) / 64) * 64
        if loss > MATTERS and below < middle < above:
            found.append(middle)
    return found


def _of_memory(world: World, collective: str, memory: Memory, rounds: int) -> dict[choice.Way, float]:
    names = named(world, collective, "all", adhoc=False, library=True)
    at_once = max(1, ROOM // max(1, memory.nbytes * world.node_size))
    seconds = {}
    for start in range(0, len(names), at_once):
        ways = our_ways(world, collective, memory, names[start : start + at_once])
        for way, found in zip(ways, timed(world, collective, ways, rounds), strict=True):
            seconds[choice.Way(way.engine, way.algorithm)] = found
            way.free()
    return seconds


def timed(world: World, collective: str, ways: Sequence[Way], rounds: int) -> list[float]:
    """Seconds of each way. Collective, and alike on all ranks."""
    for way in ways:
        check(world, collective, way, seed=0)
    runs = [way.run for way in ways]
    nbytes = ways[0].memory.nbytes
    looks = take_turns(world, runs, LOOKS, max(1, min(5, (16 << 20) // max(nbytes, 1)))).min(axis=0)
    best = float(looks.min())
    contending = [number for number, look in enumerate(looks) if look <= HOPELESS * best]
    calls = max(1, min(100, int(SAMPLE / best)))
    samples = take_turns(world, [runs[number] for number in contending], rounds, calls)
    seconds = looks.tolist()
    for number, found in zip(contending, np.quantile(samples, QUANTILE, axis=0).tolist(), strict=True):
        seconds[number] = found
    return seconds
