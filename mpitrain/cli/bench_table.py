"""What `bench` prints about collectives: a line as soon as it is measured, at most 100 columns, and a last word."""

import statistics
from collections.abc import Sequence
from typing import Any

COUNTED_FROM = 1 << 16
"""Bytes from which on a size counts in the last line's mean."""

COLUMNS = {
    "bytes": ("nbytes", ">11", ","),
    "algorithm": ("algorithm", "<18", ""),
    "engine": ("engine", "<6", ""),
    "median us": ("median_us", ">9", ",.1f"),
    "min": ("min_us", ">9", ",.1f"),
    "max": ("max_us", ">9", ",.1f"),
    "algbw": ("algbw", ">6", ".2f"),
    "busbw": ("busbw", ">6", ".2f"),
    "library": ("library_median_us", ">9", ",.1f"),
    "ratio": ("ratio", ">5", ".2f"),
}
"""Title: key of the record, width, format."""

Record = dict[str, Any]


def header(collective: str, dtype: str, memory: str, call: str, rounds: int, facts: dict[str, Any]) -> str:
    where = {"window": "memory from world.empty", "foreign": "ordinary arrays"}[memory]
    how = {"plan": "plan.run()", "adhoc": f"world.{collective}(buffer)"}[call]
    ranks = f"{facts['ranks']} rank{'s' if facts['ranks'] > 1 else ''}"
    return "\n".join([
        f"{collective} of {dtype}, {ranks}, {facts['cores']} cores, {facts['mpi_library'] or 'no MPI'}",
        f"ours: {how} in {where}; in turns with the library's call, {rounds} rounds",
        "us: of the slowest rank; bandwidths: GB/s, as nccl-tests define them; ratio: library / ours",
        " ".join(f"{title:{width}}" for title, (_, width, _) in COLUMNS.items()),
    ])  # fmt: skip


def line(record: Record) -> str:
    return " ".join(f"{_shown(record[key], style):{width}}" for key, width, style in COLUMNS.values()).rstrip()


def side_by_side(records: Sequence[Record]) -> str:
    """All ways in one table: median microseconds, a line a way, a column a size; the best of each size is marked."""
    sizes = list(dict.fromkeys(record["nbytes"] for record in records))
    ways: dict[str, dict[int, float]] = {}
    for record in records:
        ways.setdefault(_way(record), {})[record["nbytes"]] = record["median_us"]
    for record in records:
        if record["library_median_us"] is not None:
            ways.setdefault("the library's own call", {})[record["nbytes"]] = record["library_median_us"]
    best = {size: min(times[size] for times in ways.values() if size in times) for size in sizes}
    lines = [f"{'median us, * the best':<28}" + "".join(f"{size:>12,}" for size in sizes)]
    for way, times in ways.items():
        cells = [f"{times[n]:,.1f}{'*' if times[n] == best[n] else ' '}" if n in times else "- " for n in sizes]
        lines.append(f"{way:<28}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _way(record: Record) -> str:
    return f"{record['engine']} {record['algorithm']}"


def _shown(value: object, style: str) -> str:
    return "-" if value is None else format(value, style)


def summary(records: Sequence[Record], by_way: bool) -> str:
    """How the ratios are from 64 KiB on: their geometric mean and the smallest; a line for each way if asked."""
    reasons = dict.fromkeys(record["why_no_ratio"] for record in records if record["ratio"] is None)
    if reasons:
        return f"nothing to compare with: {'; '.join(reasons)}"
    counted = [record for record in records if record["nbytes"] >= COUNTED_FROM]
    if not counted:
        return "library / ours: no size of 64 KiB or more"
    sizes = len(dict.fromkeys(record["nbytes"] for record in counted))
    over = f"over {sizes} size{'s' if sizes > 1 else ''} from 64 KiB on"
    if not by_way:
        return f"library / ours {over}: {_ratios(counted)}"
    ways: dict[str, list[Record]] = {}
    for record in counted:
        ways.setdefault(_way(record), []).append(record)
    return "\n".join([f"library / ours {over}:", *(f"{way:<26} {_ratios(found)}" for way, found in ways.items())])


def _ratios(records: Sequence[Record]) -> str:
    smallest = min(records, key=lambda record: record["ratio"])
    mean = statistics.geometric_mean(record["ratio"] for record in records)
    return f"geometric mean {mean:.2f}, smallest {smallest['ratio']:.2f} (at {smallest['nbytes']:,} bytes)"
