"""Ranks in words, and which ranks are alike."""

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)


def grouped(values: Iterable[Value]) -> dict[Value, list[int]]:
    """Which ranks have which value, the values in the order of their lowest ranks; `values` has one for each rank."""
    groups: dict[Value, list[int]] = {}
    for rank, value in enumerate(values):
        groups.setdefault(value, []).append(rank)
    return groups


def numbered(ranks: Sequence[int]) -> str:
    """Such as `rank 3`, or `ranks 0, 2-7`."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    shown = [", ".join(map(str, run)) if len(run) < 3 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(shown)}"
