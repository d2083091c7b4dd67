"""Errors that only some ranks see: all ranks learn of them, so that none goes on and waits for ever."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mpitrain.errors import UsageError
from mpitrain.parallel.rows import rows
from mpitrain.world import World

Result = TypeVar("Result")


def agreed(world: World, action: Callable[[], Result]) -> Result:
    """What `action` returns on this rank; `UsageError` on every rank if it raised one on any. Collective."""
    fault = ""
    try:
        result = action()
    except UsageError as error:
        fault = str(error)
    faults = _gather(world, fault)
    first = next((text for text in faults if text), None)
    if first is None:
        return result
    ranks = [rank for rank, text in enumerate(faults) if text == first]
    where = "" if len(ranks) == world.size else f" (on rank {', '.join(map(str, ranks))} of {world.size})"
    raise UsageError(f"{first}{where}", agreed=True)


def _gather(world: World, text: str) -> list[str]:
    own = text.encode(errors="surrogateescape")
    longest = int(world.allreduce(np.array([len(own)]), "max")[0])
    padded = np.frombuffer(own.ljust(longest, b"\0"), np.uint8)
    return [row.tobytes().rstrip(b"\0").decode(errors="surrogateescape") for row in rows(world, padded)]
