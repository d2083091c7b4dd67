"""The stall report: which ranks have not arrived, and where each rank is."""

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from mpitrain.engines.whereabouts import Waiting
from mpitrain.rank_names import numbered


class State(NamedTuple):
    """What one rank does now.

    `waiting` is its call, None if it is in none; `place` where it is then. `waited`: for how many seconds it has been
    seen in this call at least; `reported`: this wait is in a report already. `collectives` were called, `under_way` of
    them have not ended, and `by_thread`: they move while it computes. `closed`: no world of it is open; `over`: its
    program has ended.
    """

    waiting: Waiting | None
    place: str
    waited: float
    reported: bool
    collectives: int
    under_way: int
    closed: bool
    over: bool
    by_thread: bool = False

    def __str__(self) -> str:
        """For one rank or several."""
        after = f"after {self.collectives} collectives"
        if self.over:
            return f"ended {after}"
        if self.waiting is None:
            closed = "world closed, " if self.closed else ""
            under_way = f", {self.under_way} of them under way" if self.under_way else ""
            return f"{closed}now at {self.place}, {after}{under_way}"
        number = after if self.waiting.message else f"collective {self.collectives}"
        return f"waiting in {self.waiting.call}, {number}, called at {self.waiting.site}"


SILENT = "no answer: ended, stopped, or holding Python's lock"


def report(rank: int, states: Mapping[int, State | None], size: int, seconds: float) -> str:
    """One line that says who is missing, by the rank that has waited so long, and a line for all ranks at one place.

    A rank's state is None if it does not answer; ranks that could not be asked have none.
    """
    own = states[rank]
    assert own is not None and own.waiting is not None
    lines = [
        f"mpitrain: rank {rank} of {size} has waited for more than {seconds:g} s in {own.waiting.call}"
        f"{_verdict(own, states)}"
    ]
    groups = defaultdict(list)
    for other, state in sorted(states.items()):
        groups[SILENT if state is None else str(state)].append(other)
    return "\n".join([*lines, *(f"  {numbered(ranks)}: {text}" for text, ranks in groups.items())])


def _verdict(own: State, states: Mapping[int, State | None]) -> str:
    assert own.waiting is not None
    if own.waiting.message or len(states) == 1:
        return ""
    missing = [
        rank
        for rank, state in sorted(states.items())
        if state is None or state.over or state.closed or state.collectives < own.collectives
    ]
    if missing:
        return f"; {numbered(missing)} {'have' if len(missing) > 1 else 'has'} not arrived"
    computing = [(rank, state) for rank, state in sorted(states.items()) if state and state.waiting is None]
    apart = [rank for rank, state in computing if state.under_way and not state.by_thread]
    if apart:
        return f"; works of {numbered(apart)} are under way, and move in calls only"
    calls = {state.waiting.call for state in states.values() if state is not None and state.waiting is not None}
    return "; the ranks wait in different calls" if len(calls) > 1 else ""
