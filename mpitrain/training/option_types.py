"""How options look on the command line: whole numbers, several widths, names."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from cyclopts import Parameter


def _whole(kind: Any, tokens: Sequence[Any]) -> Any:
    """Integers from the command line; the library would round fractions."""
    for token in tokens:
        if not re.fullmatch(r"[+-]?\d+", token.value):
            raise ValueError(f'expected a whole number, found "{token.value}"')
    numbers = tuple(int(token.value) for token in tokens)
    return numbers if kind == tuple[int, ...] else numbers[0]


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer option."""

Engine = Literal["auto", "mpi", "shared", "solo"]
"""The engine of a world."""

Several = Parameter(converter=_whole, consume_multiple=(1, None), negative="")
"""Of an option that takes several integers."""


def option(name: str) -> str:
    """A field's name on the command line."""
    return "--" + name.replace("_", "-")
