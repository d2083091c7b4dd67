"""What a value is made of: the two symbolic domains in which a schedule is proved.

A `Sum` is whose contributions, in which order, and rounded how. A `Mixture` is a weighted sum with exact weights. Both
carry a name for how they were rounded: values with one name were computed by the same additions, up to exchanging the
two operands (a + b and b + a round alike), and so are equal bit by bit.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from mpitrain.collectives.schedule import LEFT, ScheduleError, Side
from mpitrain.analysis.promise import Contribution, Contributions, spell

Rounding = object


@dataclass(frozen=True, slots=True)
class Sum:
    contributions: Contributions
    ranks: int  # the set of contributing ranks as bits, to find doubles quickly
    rounding: Rounding
    roundings: int  # the longest chain of additions that a contribution has gone through


@dataclass
class Sums:
    """The domain of all collectives that neither lose nor repeat a contribution."""

    _names: dict[tuple, int] = field(default_factory=dict)

    def leaf(self, contribution: Contribution) -> Sum:
        return Sum((contribution,), 1 << contribution.rank, self._name("leaf", *contribution), 0)

    def scale(self, value: Sum, weight: Fraction | None) -> Sum:
        if weight is not None:
            raise ScheduleError("carries a weight, which only gossip may")
        return value

    def combine(self, own: Sum, incoming: Sum, side: Side, weight: Fraction | None) -> Sum:
        self.scale(incoming, weight)
        if own.contributions[0].chunk != incoming.contributions[0].chunk:
            raise ScheduleError(
                "adds different chunks", expected=f"chunk {own.contributions[0].chunk}", found=spell(incoming.contributions)
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

    def _name(self, *made_of) -> int:
        return self._names.setdefault(made_of, len(self._names))


@dataclass(frozen=True, slots=True)
class Mixture:
    weights: dict[Contribution, Fraction]
    rounding: Rounding
    roundings: int


@dataclass
class Mixtures:
    """The domain of gossip: every value is a linear form of all contributions."""

    _names: dict[tuple, int] = field(default_factory=dict)

    def leaf(self, contribution: Contribution) -> Mixture:
        return Mixture({contribution: Fraction(1)}, self._name("leaf", *contribution), 0)

    def scale(self, value: Mixture, weight: Fraction | None) -> Mixture:
        if weight is None:
            return value
        weights = {contribution: w * weight for contribution, w in value.weights.items()}
        return Mixture(weights, self._name("scaled", weight, value.rounding), value.roundings)

    def combine(self, own: Mixture, incoming: Mixture, side: Side, weight: Fraction | None) -> Mixture:
        kept, taken = (1 - weight, weight) if weight is not None else (Fraction(1), Fraction(1))
        weights = {contribution: kept * w for contribution, w in own.weights.items()}
        for contribution, w in incoming.weights.items():
            weights[contribution] = weights.get(contribution, Fraction(0)) + taken * w
        name = self._name(*sorted(((kept, own.rounding), (taken, incoming.rounding))))
        return Mixture(weights, name, max(own.roundings, incoming.roundings) + 1)

    def _name(self, *made_of) -> int:
        return self._names.setdefault(made_of, len(self._names))
