"""What a value is made of: the symbolic domains in which a schedule is proved.

A `Sum` is whose contributions, in which order, and rounded how. A `Mixture` is a weighted sum with exact weights. Both
carry a name for how they were rounded: values with one name were computed by the same additions, up to exchanging the
two operands (a + b and b + a round alike), and so are equal bit by bit.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

from mpitrain.analysis.promise import Contribution, Contributions, spell
from mpitrain.collectives.schedule import LEFT, ScheduleError, Side

Value = TypeVar("Value")


class Domain(Protocol[Value]):
    """What can be done with values. A `ScheduleError` says what is wrong; the caller knows where."""

    def leaf(self, contribution: Contribution) -> Value:
        """What a rank has at the start."""

    def scale(self, value: Value, weight: Fraction) -> Value:
        """What travels in a message that carries a weight."""

    def combine(self, own: Value, incoming: Value, side: Side, weight: Fraction | None) -> Value:
        """What a Reduce or a Combine makes of two values."""


class Names:
    """Small numbers as names for how values were rounded: what is made alike is named alike."""

    def __init__(self) -> None:
        self._names: dict[tuple[Hashable, ...], int] = {}

    def __call__(self, *made_of: Hashable) -> int:
        return self._names.setdefault(made_of, len(self._names))


@dataclass(frozen=True, slots=True)
class Sum:
    contributions: Contributions
    ranks: int  # the set of contributing ranks as bits, to find doubles quickly
    rounding: int
    roundings: int  # the longest chain of additions that a contribution has gone through


class Sums:
    """The domain of all collectives that neither lose nor repeat a contribution."""

    def __init__(self) -> None:
        self._name = Names()

    def leaf(self, contribution: Contribution) -> Sum:
        return Sum((contribution,), 1 << contribution.rank, self._name(contribution), 0)

    def scale(self, value: Sum, weight: Fraction) -> Sum:
        raise ScheduleError("carries a weight, which only gossip may", expected="none", found=weight)

    def combine(self, own: Sum, incoming: Sum, side: Side, weight: Fraction | None) -> Sum:
        if weight is not None:
            self.scale(incoming, weight)
        if own.contributions[0].chunk != incoming.contributions[0].chunk:
            raise ScheduleError(
                "adds different chunks",
                expected=f"chunk {own.contributions[0].chunk}",
                found=spell(incoming.contributions),
            )
        if own.ranks & incoming.ranks:
            raise ScheduleError(
                "adds a contribution twice",
                expected=f"nothing of {spell(own.contributions)} again",
                found=spell(incoming.contributions),
            )
        left, right = (incoming, own) if side is LEFT else (own, incoming)
        return Sum(
            left.contributions + right.contributions,
            left.ranks | right.ranks,
            self._name(*sorted((own.rounding, incoming.rounding))),
            max(own.roundings, incoming.roundings) + 1,
        )


class Heard(Sums):
    """The domain of barriers: who is known to have come. To hear of somebody twice does no harm."""

    def combine(self, own: Sum, incoming: Sum, side: Side, weight: Fraction | None) -> Sum:
        if weight is not None:
            self.scale(incoming, weight)
        heard = tuple(sorted({*own.contributions, *incoming.contributions}))
        return Sum(heard, own.ranks | incoming.ranks, self._name(heard), 0)


@dataclass(frozen=True, slots=True)
class Mixture:
    weights: dict[Contribution, Fraction]
    rounding: int
    roundings: int


class Mixtures:
    """The domain of gossip: every value is a linear form of all contributions."""

    def __init__(self) -> None:
        self._name = Names()

    def leaf(self, contribution: Contribution) -> Mixture:
        return Mixture({contribution: Fraction(1)}, self._name(contribution), 0)

    def scale(self, value: Mixture, weight: Fraction) -> Mixture:
        weights = {contribution: w * weight for contribution, w in value.weights.items()}
        return Mixture(weights, self._name(weight, value.rounding), value.roundings)

    def combine(self, own: Mixture, incoming: Mixture, side: Side, weight: Fraction | None) -> Mixture:
        kept, taken = (1 - weight, weight) if weight is not None else (Fraction(1), Fraction(1))
        weights = {contribution: kept * w for contribution, w in own.weights.items()}
        for contribution, w in incoming.weights.items():
            weights[contribution] = weights.get(contribution, Fraction(0)) + taken * w
        name = self._name(*sorted(((kept, own.rounding), (taken, incoming.rounding))))
        return Mixture(weights, name, max(own.roundings, incoming.roundings) + 1)
