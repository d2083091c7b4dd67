"""Where the ranks of a job differ, and which: a job is one program, and should run in one environment."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpitrain.diagnosis.facts import Facts


def _library(facts: Facts) -> str:
    loaded = facts["library"]
    return f"{loaded['name']} {loaded['version']}" if loaded else "missing"


COMPARED: Mapping[str, Callable[[Facts], Any]] = {
    "Python": lambda facts: facts["python"],
    "mpitrain": lambda facts: facts["mpitrain"],
    "mpi4py": lambda facts: facts["mpi4py"],
    "MPI library": _library,
    "numpy": lambda facts: (facts["packages"] or {}).get("numpy"),
    "ml_dtypes": lambda facts: (facts["packages"] or {}).get("ml_dtypes"),
}
"""What must be the same on all ranks."""


def differences(ranks: Sequence[Facts], compared: Mapping[str, Callable[[Facts], Any]] = COMPARED) -> list[str]:
    """Such as "Python 3.11.7 on ranks 0-2, 3.12.1 on rank 3"; nothing where all ranks are alike."""
    told = []
    for name, fact in compared.items():
        groups = grouped(ranks, fact)
        if len(groups) > 1:
            told.append(f"{name} {', '.join(f'{value} on {listed(members)}' for value, members in groups.items())}")
    return told


def grouped(ranks: Sequence[Facts], fact: Callable[[Facts], Any]) -> dict[Any, list[int]]:
    """Which ranks have which value, in the order of their first rank."""
    groups: dict[Any, list[int]] = {}
    for rank, facts in enumerate(ranks):
        groups.setdefault(fact(facts), []).append(rank)
    return groups


def listed(ranks: Sequence[int]) -> str:
    """Such as "rank 3" or "ranks 0-2, 5"; `ranks` in ascending order."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    text = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"rank{'s' if len(ranks) > 1 else ''} {text}"
