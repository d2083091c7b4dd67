"""What a check works on and what it says: the report of facts, and a finding."""

from collections.abc import Sequence
from typing import NamedTuple

from mpitrain.diagnosis.facts import Facts
from mpitrain.diagnosis.trial import Trial

OK, NOTE, FAIL = "OK", "note", "FAIL"


class Finding(NamedTuple):
    """One line of the diagnosis. `mend` says what to do, where there is something."""

    name: str
    verdict: str
    text: str
    mend: str = ""


Judgement = tuple[str, str] | tuple[str, str, str]
"""A finding before it has a name: verdict, text and mend."""


class Report(NamedTuple):
    """This process's facts; those of all ranks of the job, in order of rank; the trial, if there was one."""

    here: Facts
    ranks: Sequence[Facts]
    trial: Trial | None

    @property
    def started(self) -> Sequence[Facts]:
        """Facts of ranks whose MPI was started: the job's own, or those of the trial."""
        told = self.trial.told["ranks"] if self.trial and self.trial.told else self.ranks
        return [facts for facts in told if "size" in facts]


def short(text: str) -> str:
    """Faults of libraries can be long, and the first words say what they are."""
    return text if len(text) <= 160 else text[:157] + "..."
