"""A run's activities as a file that Perfetto opens (ui.perfetto.dev): some rows for every rank.

    rank 3   program       computing and waiting
             reduce        combining what has arrived
             out           messages on their way out of its port; an arrow leads to where each comes in
             in            messages on their way in
             collectives   from when each is called until it ends

It is the trace event format, times in microseconds:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mpitrain.event import Activity

ROWS = {"compute": "program", "wait": "program", "reduce": "reduce", "send": "out", "receive": "in"}
"""In which row of its rank an activity stands; collectives, which may overlap, make rows of their own."""

NUMBERS = {row: number for number, row in enumerate(dict.fromkeys(ROWS.values()))}

ARROWS = {"send": {"ph": "s"}, "receive": {"ph": "f", "bp": "e"}}
"""How an arrow begins and ends."""


def write_trace(path: str | Path, activities: Iterable[Activity]) -> None:
    """Write a file of trace events."""
    activities = sorted(activities, key=lambda activity: (activity.rank, activity.begun, -activity.ended))
    events = list(_rows(sorted({activity.rank for activity in activities})))
    for number, activity in enumerate(activities):
        events += _collective(number, activity) if activity.kind == "collective" else _slice(activity)
    Path(path).write_text(json.dumps({"displayTimeUnit": "ns", "traceEvents": events}) + "\n")


def _rows(ranks: Iterable[int]) -> Iterator[dict[str, Any]]:
    for rank in ranks:
        yield {"ph": "M", "name": "process_name", "pid": rank, "args": {"name": f"rank {rank}"}}
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "args": {"sort_index": rank}}
        for row, number in NUMBERS.items():
            yield {"ph": "M", "name": "thread_name", "pid": rank, "tid": number, "args": {"name": row}}


def _slice(activity: Activity) -> Iterator[dict[str, Any]]:
    where = {"cat": activity.kind, "pid": activity.rank, "tid": NUMBERS[ROWS[activity.kind]]}
    name, begun = activity.kind, _microseconds(activity.begun)
    if activity.kind in ARROWS:
        name = f"{'to' if activity.kind == 'send' else 'from'} rank {activity.peer}"
    told = {key: value for key, value in (("bytes", activity.nbytes), ("what", activity.what)) if value}
    yield {
        "ph": "X", "name": name, **where, "ts": begun, "dur": _microseconds(activity.ended) - begun, "args": told
    }  # fmt: skip
    if activity.kind in ARROWS:
        yield {"name": "message", **where, "id": activity.what, "ts": begun, **ARROWS[activity.kind]}


def _collective(number: int, activity: Activity) -> Iterator[dict[str, Any]]:
    what = {"name": activity.what, "cat": activity.kind, "pid": activity.rank, "id": number}
    yield {"ph": "b", **what, "ts": _microseconds(activity.begun), "args": {"bytes": activity.nbytes}}
    yield {"ph": "e", **what, "ts": _microseconds(activity.ended)}


def _microseconds(seconds: object) -> float:
    return float(seconds) * 1e6  # type: ignore[arg-type]
