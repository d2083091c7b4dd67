"""One communication call of one rank: the record that checks, traces and metrics share."""

from dataclasses import dataclass


@dataclass(slots=True)
class Event:
    """What was called and when, in seconds on the world's clock (`World.now`); a time is None until it is known.

    A call has `begun` when its first messages were posted, is `awaited` from when the caller had to wait for it (None
    if it never had to), and has `ended` when its result is there.
    """

    collective: str
    algorithm: str
    engine: str
    op: str | None
    dtype: str
    count: int
    nbytes: int
    tag: int
    begun: float
    awaited: float | None = None
    ended: float | None = None
