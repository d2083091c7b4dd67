"""What goes wrong, and when: ranks that are slow, and faults by schedule or by seed. All times are virtual seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from mpitrain.network.topology import Link, Number

ANY = "any"
"""In the place of a rank: the seed picks one."""


@dataclass(frozen=True)
class Straggler:
    """These ranks (None: all) compute `slowdown` times slower:

    fixed    always
    random   each computation by a factor of its own, evenly between 1 and `slowdown`
    bursts   for `lasting` seconds, on average every `every` seconds
    """

    slowdown: Number
    kind: Literal["fixed", "random", "bursts"] = "fixed"
    ranks: tuple[int, ...] | None = None
    every: Number = 0
    lasting: Number = 0

    def __post_init__(self) -> None:
        if self.kind not in ("fixed", "random", "bursts"):
            raise ValueError(f"straggler kind {self.kind!r}: expected fixed, random or bursts")
        if not self.slowdown >= 1:
            raise ValueError(f"straggler slowdown {self.slowdown}: expected a factor, 1 or more")
        if self.kind == "bursts" and not (self.every > 0 and self.lasting > 0):
            raise ValueError("straggler of bursts: expected every and lasting, seconds above 0")


@dataclass(frozen=True)
class Fault:
    """From time `at` on, for `lasting` seconds (None: for ever).

    crash    a rank is gone: it does nothing any more, and who waits for it gets `RankFailed`
    freeze   a rank does nothing; what it sent before goes on
    slow     a rank computes, or a pair of ranks or a link carries bytes, `factor` times slower
    cut      nothing goes between a pair of ranks, either way, or over a link; what was on its way waits

    `where` is a rank ("any": one that the seed picks), a pair of ranks, or the name of a link. `at` may be a range
    (from, to), of which the seed picks a time.
    """

    kind: Literal["crash", "freeze", "slow", "cut"]
    where: int | str | tuple[int, int] | Link
    at: Number | tuple[Number, Number]
    lasting: Number | None = None
    factor: Number = 1

    def __post_init__(self) -> None:
        if self.kind not in ("crash", "freeze", "slow", "cut"):
            raise ValueError(f"fault {self.kind!r}: expected crash, freeze, slow or cut")
        rank = isinstance(self.where, int) or self.where == ANY
        if rank and self.kind == "cut":
            raise ValueError(f"fault cut = {self.where}: expected two ranks, or a link")
        if not rank and self.kind in ("crash", "freeze"):
            raise ValueError(f"fault {self.kind} = {self.where}: expected a rank, or any")
        if self.kind == "slow" and not self.factor > 1:
            raise ValueError(f"fault slow by factor {self.factor}: expected more than 1")
        if not min(self.at if isinstance(self.at, tuple) else (self.at,)) >= 0:
            raise ValueError(f"fault at {self.at}: expected seconds, 0 or more")
        if self.lasting is not None and not self.lasting > 0:
            raise ValueError(f"fault lasting {self.lasting}: expected seconds above 0")

    @property
    def names_link(self) -> bool:
        """Whether it is a link of the network that it strikes."""
        return isinstance(self.where, tuple) and isinstance(self.where[0], str)

    def holds_at(self, now: Number) -> bool:
        """Whether it has begun and not passed, once it is `settled`."""
        assert not isinstance(self.at, tuple)
        return self.at <= now and (self.lasting is None or now < self.at + self.lasting)

    def __str__(self) -> str:
        """Such as `cut 0 - 1 from 0.001 s on`, once it is `settled`."""
        assert not isinstance(self.at, tuple)
        where = f"rank {self.where}" if isinstance(self.where, int) else " - ".join(map(str, self.where))
        until = "on" if self.lasting is None else f"for {float(self.lasting):g} s"
        slower = f" {float(self.factor):g} times" if self.kind == "slow" else ""
        return f"{self.kind} {where}{slower} from {float(self.at):g} s {until}"

    def settled(self, random: Random, ranks: int) -> "Fault":
        """With what the seed picks. `ValueError` for a rank that is not there."""
        where = random.randrange(ranks) if self.where == ANY else self.where
        named = [where] if isinstance(where, int) else where if _is_pair(where) else []
        for rank in named:
            if not (isinstance(rank, int) and 0 <= rank < ranks):
                raise ValueError(f"fault {self.kind} = {self.where}: expected ranks below {ranks}")
        at = self.at
        if isinstance(at, tuple):
            at = at[0] + (at[1] - at[0]) * random.random()
        return Fault(self.kind, where, at, self.lasting, self.factor)


def _is_pair(where: object) -> bool:
    return isinstance(where, Sequence) and len(where) == 2 and all(isinstance(rank, int) for rank in where)
