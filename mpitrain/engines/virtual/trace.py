"""A run's activities as a file that Perfetto opens (ui.perfetto.dev): a group of rows for every rank.

    rank 3   program    collectives, and in them computing, reducing and waiting
             out        messages on their way out of its port; an arrow leads to where each arrives
             in         messages on their way in

It is the trace event format, times in microseconds:
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mpitrain.event import Activity

ROWS = {"collective": 0, "compute": 0, "reduce": 0, "wait": 0, "send": 1, "receive": 2}
"""In which row of its rank an activity stands."""

NAMES = ("program", "out", "in")


def write_trace(path: str | Path, activities: Iterable[Activity]) -> None:
    """Write a file of trace events."""
    activities = list(activities)
    events = [*_rows(sorted({activity.rank for activity in activities})), *_slices(activities)]
    Path(path).write_text(json.dumps({"displayTimeUnit": "ns", "traceEvents": events}) + "\n")


def _rows(ranks: Iterable[int]) -> Iterator[dict[str, Any]]:
    for rank in ranks:
        yield _named("process_name", rank, 0, f"rank {rank}")
        yield {"ph": "M", "name": "process_sort_index", "pid": rank, "args": {"sort_index": rank}}
        for row, name in enumerate(NAMES):
            yield _named("thread_name", rank, row, name)


def _named(what: str, rank: int, row: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": rank, "tid": row, "args": {"name": name}}


def _slices(activities: list[Activity]) -> Iterator[dict[str, Any]]:
    """Those that begin together in the order of their lengths, so that the longer ones hold the shorter ones."""
    for activity in sorted(activities, key=lambda a: (a.rank, a.begun, -a.ended)):
        yield {
            "ph": "X", "name": _name(activity), "cat": activity.kind, "pid": activity.rank, "tid": ROWS[activity.kind],
            "ts": float(activity.begun) * 1e6, "dur": float(activity.ended - activity.begun) * 1e6,
            "args": {name: value for name, value in (("bytes", activity.nbytes), ("what", activity.what)) if value},
        }  # fmt: skip


def _name(activity: Activity) -> str:
    if activity.peer is not None:
        return f"{'to' if activity.kind == 'send' else 'from'} rank {activity.peer}"
    return activity.what if activity.kind == "collective" else activity.kind
