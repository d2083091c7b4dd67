"""What the commands about schedules share: which algorithms, at which size."""

import re
from collections.abc import Mapping
from typing import Annotated

from cyclopts import Parameter

from mpitrain.collectives.algorithm import Algorithm, Opaque
from mpitrain.collectives.catalogue import CATALOGUE, find
from mpitrain.errors import UsageError
from mpitrain.training.option_types import Whole

Ranks = Annotated[Whole, Parameter(name=["-n", "--ranks"])]

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def algorithms(collective: str, name: str | None) -> Mapping[str, Algorithm | Opaque]:
    """The named algorithm of a collective, or all of them."""
    if collective not in CATALOGUE:
        raise UsageError(f"no collective {collective!r}: expected one of {', '.join(CATALOGUE)}")
    return CATALOGUE[collective] if name is None else {name: find(collective, name)}


def check_ranks(ranks: int, most: int) -> None:
    if not 1 <= ranks <= most:
        raise UsageError(f"--ranks {ranks}: expected 1 to {most}")


def nbytes_of(text: str) -> int:
    """Bytes from text such as 4096, 64K, 1M (powers of 1024)."""
    match = re.fullmatch(r"(\d+)([KMG]?)i?B?", text, re.IGNORECASE)
    if match is None:
        raise UsageError(f"--nbytes {text}: expected a number of bytes such as 4096, 64K or 100M")
    return int(match[1]) * UNITS[match[2].upper()]
