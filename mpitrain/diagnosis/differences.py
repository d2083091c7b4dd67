"""Where the ranks of a job differ, and which: a job is one program, and should run in one environment."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mpitrain.diagnosis.facts import Facts
from mpitrain.rank_names import grouped, numbered


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
        groups = grouped(fact(facts) for facts in ranks)
        if len(groups) > 1:
            told.append(f"{name} {', '.join(f'{value} on {numbered(members)}' for value, members in groups.items())}")
    return told
