"""Errors that only some ranks see: all ranks learn of them, so that none goes on and waits for ever."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from mpitrain.errors import UsageError
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
    if len(ranks) == world.size:
        raise UsageError(first)
    raise UsageError(f"{first} (on rank {', '.join(map(str, ranks))} of {world.size})")


def _gather(world: World, text: str) -> list[str]:
    own = np.frombuffer(text.encode(), np.uint8)
    longest = int(world.allreduce(np.array([own.size]), "max")[0])
    texts = np.zeros((world.size, longest), np.uint8)
    texts[world.rank, : own.size] = own
    world.allreduce(texts, "max")
    return [row.tobytes().rstrip(b"\0").decode() for row in texts]
