"""A network as numbers: what a message costs."""

from dataclasses import dataclass
from fractions import Fraction

Number = int | float | Fraction


@dataclass(frozen=True)
class Network:
    """Every pair of ranks is joined alike. alpha: seconds a message, beta: a byte sent, gamma: a byte reduced."""

    alpha: Number
    beta: Number
    gamma: Number

    @staticmethod
    def flat(alpha: Number, beta: Number, gamma: Number) -> "Network":
        for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
            if not value >= 0:
                raise ValueError(f"{name} {value}: expected seconds, 0 or more")
        return Network(alpha, beta, gamma)
