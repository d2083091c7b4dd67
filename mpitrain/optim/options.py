"""Options of optimisers that are checked alike. Each raises UsageError."""

from mpitrain.errors import UsageError


def check_not_negative(**options: float) -> None:
    for name, number in options.items():
        if not number >= 0:
            raise UsageError(f"{name.replace('_', ' ')} must be at least 0, found {number}")


def check_below_one(**options: float) -> None:
    """At least 0, less than 1: how much of an average is kept."""
    for name, number in options.items():
        if not 0 <= number < 1:
            raise UsageError(f"{name.replace('_', ' ')} must be at least 0 and less than 1, found {number}")


def check_betas(betas: tuple[float, float]) -> None:
    check_below_one(beta1=betas[0], beta2=betas[1])
