"""What a rank does: the records that checks, traces, recorders and metrics share."""

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Operation:
    """What is called: alike for every run of a plan."""

    collective: str
    algorithm: str
    engine: str
    op: str | None  # None where nothing is reduced
    dtype: str
    count: int
    nbytes: int


@dataclass(slots=True)
class Event:
    """When it was called, in seconds on the world's clock (`World.now`).

    A call has `begun` when its first messages were posted, is `awaited` from when the caller had to wait for it (None
    if it never had to), and has `ended` when its result is there (None before).
    """

    operation: Operation
    begun: float
    awaited: float | None = None
    ended: float | None = None


class Activity(NamedTuple):
    """What a rank, or one of its ports, was busy with, in seconds on the world's clock.

    `kind` is compute, reduce, wait, send, receive, or collective; the last three say `what`, and with which `peer`.
    """

    kind: str
    rank: int
    begun: int | float | Fraction
    ended: int | float | Fraction
    peer: int | None = None
    nbytes: int = 0
    what: str = ""
