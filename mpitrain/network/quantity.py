"""Numbers with units, as one writes them in a file: "1.5 us", "25 Gb/s", "64 KiB", "2 Tflop/s".

A bare number is in seconds, seconds a byte, bytes, or operations a second.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from mpitrain.errors import UsageError

PREFIXES = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
SECONDS = {"s": Fraction(1), "ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)}
BYTES_A_SECOND = {f"{prefix}B/s": Fraction(10**power) for prefix, power in PREFIXES.items()} | {
    f"{prefix}b/s": Fraction(10**power, 8) for prefix, power in PREFIXES.items()
}
BYTES = {f"{prefix}{end}": Fraction(1 << 10 * power) for power, prefix in enumerate("KMG", 1) for end in ("", "iB")}
FLOPS = {f"{prefix}flop/s": Fraction(10**power) for prefix, power in PREFIXES.items()}


def seconds(name: str, value: object) -> float:
    """Such as "1.5 us"."""
    return float(_number(name, value, SECONDS, 'seconds, or a time such as "1.5 us"'))


def seconds_a_byte(name: str, value: object) -> float:
    """Such as "25 Gb/s" or "12.5 GB/s", of which this is the inverse."""
    expected = 'seconds a byte, or a speed such as "25 Gb/s" or "12.5 GB/s"'
    number = _number(name, value, BYTES_A_SECOND, expected)
    if not isinstance(value, str):
        return float(number)
    if not number > 0:
        raise UsageError(f"{name} = {value!r}: expected {expected}")
    return float(1 / number)


def nbytes(name: str, value: object) -> int:
    """Such as "64 KiB"."""
    return int(_number(name, value, BYTES, 'bytes, or a size such as "64 KiB"'))


def flops(name: str, value: object) -> float:
    """Operations a second, such as "2 Tflop/s"."""
    return float(_number(name, value, FLOPS, 'operations a second, or a speed such as "2 Tflop/s"'))


def _number(name: str, value: object, units: Mapping[str, Fraction], expected: str) -> Fraction:
    """`UsageError` for what is no number of 0 or more with one of these units."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return Fraction(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?) *(\S+)", value) if isinstance(value, str) else None
    if found is None or found[2] not in units:
        raise UsageError(f"{name} = {value!r}: expected {expected}")
    return Fraction(found[1]) * units[found[2]]
