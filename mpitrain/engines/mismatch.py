"""What ranks are told that call different things: who is odd, in what, and where each call stands."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mpitrain.rank_names import grouped, numbered


class Called(NamedTuple):
    """What one rank calls. `arguments` are those that must be alike on all ranks; `error`: what it raised instead;
    `site`: where in the program, None if nowhere."""

    call: str
    arguments: Mapping[str, str]
    error: str | None = None
    site: str | None = None

    @property
    def signature(self) -> str:
        """Alike on all ranks if they call the same."""
        if self.error is not None:
            return f"{self.call} raised {self.error}"
        if self.call == END.call:
            return self.call
        return f"{self.call}({', '.join(f'{name}={value}' for name, value in self.arguments.items())})"

    def __str__(self) -> str:
        return self.signature if self.site is None else f"{self.signature} at {self.site}"


END = Called("the end of the program", {})


def mismatch_text(calls: Sequence[Called], job_ranks: Sequence[int]) -> str:
    """For ranks that differ: one line that names the odd ones, and a line for each call with its ranks.

    `job_ranks` are the ranks' numbers in the whole job.
    """
    lines = [f"{_headline(calls)}; expected the same calls in the same order on every rank"]
    lines += [f"  {numbered(ranks)}: {line}" for line, ranks in grouped([str(call) for call in calls]).items()]
    if list(job_ranks) != list(range(len(calls))):
        lines.append(f"  (this world consists of the job's {numbered(job_ranks)})")
    return "\n".join(lines)


def _headline(calls: Sequence[Called]) -> str:
    size = len(calls)
    groups = grouped([call.signature for call in calls])
    usual = next((ranks for ranks in groups.values() if 2 * len(ranks) > size), None)
    names = _differences([calls[ranks[0]] for ranks in groups.values()])
    if usual is None:
        return f"the {size} ranks differ in {names}" if names else f"the {size} ranks make different calls"
    odd = [rank for rank in range(size) if rank not in usual]
    who, many = f"{numbered(odd)} of {size}", len(odd) > 1
    if names:
        return f"{who} {'differ' if many else 'differs'} from the others in {names}"
    return f"{who} {'make other calls' if many else 'makes another call'} than the others"


def _differences(calls: Sequence[Called]) -> str:
    """The names of the arguments that differ; none if the calls do."""
    if len({call.call for call in calls}) > 1 or any(call.error is not None for call in calls):
        return ""
    names = dict.fromkeys(name for call in calls for name in call.arguments)
    return ", ".join(name for name in names if len({call.arguments.get(name) for call in calls}) > 1)
