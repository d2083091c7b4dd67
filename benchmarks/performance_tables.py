"""The tables of docs/performance.md: from what jobs measured to Markdown, and into the page between its markers. Pure.

A result is what a command writes with --json. Several jobs of one command become one by medians, line by line.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

Record = dict[str, Any]
Result = dict[str, Any]

COUNTED_FROM = 1 << 16  # bytes from which on a size counts in means
MEASURED = ("median_us", "library_median_us", "busbw", "ratio")


def rewritten(page: str, sections: dict[str, str]) -> str:
    """The page with the named sections between their markers; all else stays. `ValueError` for markers that lack."""
    for name, content in sections.items():
        begin, end = f"<!-- make bench: {name} -->", f"<!-- end: {name} -->"
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise ValueError(f"section {name}: expected one {begin} and after it one {end}")
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = "\n".join([f"{before}{begin}", content.strip("\n"), f"{end}{after}"])
    return page


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]], words: int = 0) -> str:
    """A table of numbers, which stand right, after so many columns of `words`."""
    marks = ["---"] * words + ["---:"] * (len(titles) - words)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [titles, marks, *rows])


def medians(jobs: Sequence[Result]) -> list[Record]:
    """The records of several jobs of one command, each number the median of the jobs'."""
    return [
        alike[0] | {key: _median(alike, key) for key in MEASURED if alike[0][key] is not None}
        for alike in zip(*(job["records"] for job in jobs), strict=True)
    ]


def machine(facts: dict[str, Any], date: str, jobs: int) -> str:
    return (
        f"Measured on {date}: {facts['cpu']}, {facts['cores']} cores; {facts['mpi_library']}; Python "
        f"{facts['python']}; NumPy\n{facts['numpy']} with {facts['blas']}.\n"
        f"Every number is the median of {jobs} job{'s' if jobs > 1 else ''}, each of which takes medians itself."
    )


def collective(by_ranks: dict[int, list[Record]]) -> str:
    """A line a size; for each number of ranks our time, bus bandwidth and ratio. Then the means, and what ran."""
    titles = ["bytes"]
    for ranks in by_ranks:
        titles += [f"{ranks} ranks: us", "GB/s", "ratio"]
    rows = []
    for alike in zip(*by_ranks.values(), strict=True):
        rows.append([_bytes(alike[0])])
        for record in alike:
            rows[-1] += [f"{record['median_us']:,.1f}", f"{record['busbw']:.2f}", f"{record['ratio']:.2f}"]
    remarks = [f"- {ranks} ranks: {_mean(records)}; {_taken(records)}." for ranks, records in by_ranks.items()]
    return "\n".join([markdown(titles, rows), "", *remarks])


def small(by_collective: dict[str, tuple[list[Record], list[Record]]]) -> str:
    """What ours adds to the library's call: by plan, and by a call without one."""
    rows = [
        [name, _bytes(by_plan), f"{by_plan['library_median_us']:.2f}", _added(by_plan), _added(by_call)]
        for name, both in by_collective.items()
        for by_plan, by_call in zip(*both, strict=True)
    ]
    return markdown(("collective", "bytes", "library, us", "a plan adds, us", "a call adds, us"), rows, words=1)


def ratios(by_title: dict[str, list[Record]]) -> str:
    """A line a size, a ratio in each column; the last lines are the mean and the smallest from 64 KiB on."""
    rows = [
        [_bytes(alike[0]), *(f"{record['ratio']:.2f}" for record in alike)]
        for alike in zip(*by_title.values(), strict=True)
    ]
    counted = [_counted(records) for records in by_title.values()]
    rows.append(["geometric mean", *(f"{statistics.geometric_mean(column):.2f}" for column in counted)])
    rows.append(["smallest", *(f"{min(column):.2f}" for column in counted)])
    return markdown(("bytes", *by_title), rows)


def algorithms(records: Sequence[Record]) -> str:
    """A line a size, the microseconds of each algorithm, and of the library: the median of its turns with each."""
    by_size: dict[int, list[Record]] = {}
    for record in records:
        if record["algorithm"] != "library":
            by_size.setdefault(record["nbytes"], []).append(record)
    rows = [
        [
            _bytes(alike[0]),
            *(f"{record['median_us']:,.1f}" for record in alike),
            f"{_median(alike, 'library_median_us'):,.1f}",
            f"{max(record['ratio'] for record in alike):.2f}",
        ]
        for alike in by_size.values()
    ]
    names = dict.fromkeys(record["algorithm"] for alike in by_size.values() for record in alike)
    return markdown(("bytes", *names, "library", "best ratio"), rows)


def dtypes(by_dtype: dict[str, list[Record]]) -> str:
    """A line a size, the microseconds of each type."""
    rows = [
        [_bytes(alike[0]), *(f"{record['median_us']:,.1f}" for record in alike)]
        for alike in zip(*by_dtype.values(), strict=True)
    ]
    return markdown(("bytes", *(f"{name}, us" for name in by_dtype)), rows)


def tuning(by_ranks: dict[int, list[Result]]) -> str:
    """A line a collective; for each number of ranks, by how much the choice was worse than the best: in the mean over
    sizes, at most, and at how many sizes by more than 15 %. Each size counts with the median of its jobs."""
    titles = ["collective"]
    rows: dict[str, list[str]] = {}
    for ranks, jobs in by_ranks.items():
        titles += [f"{ranks} ranks: sizes", "mean", "largest", "above 1.15"]
        ratios: dict[tuple[str, int], list[float]] = {}
        for record in (record for job in jobs for record in job["records"]):
            ratios.setdefault((record["collective"], record["nbytes"]), []).append(record["ratio"])
        medians = {key: statistics.median(found) for key, found in ratios.items()}
        for name in [*dict.fromkeys(name for name, _ in medians), "all"]:
            found = [ratio for (of, _), ratio in medians.items() if name in (of, "all")]
            mean, above = statistics.geometric_mean(found), sum(ratio > 1.15 for ratio in found)
            rows.setdefault(name, [name]).extend([str(len(found)), f"{mean:.3f}", f"{max(found):.2f}", str(above)])
    return markdown(titles, rows.values(), words=1)


def steps(by_model: dict[str, list[Result]]) -> str:
    rows = [
        [model, _milliseconds(jobs, "step_seconds"), _milliseconds(jobs, "step_seconds_alone")]
        + [f"{_median(jobs, 'ratio'):.3f}"]
        for model, jobs in by_model.items()
    ]
    return markdown(("model", "step with exchange, ms", "alone, ms", "with / alone"), rows, words=1)


def versus(by_model: dict[str, list[Result]]) -> str:
    """A line for each side of each model; the ratio is that to the fastest of the other sides."""
    rows = []
    for model, jobs in by_model.items():
        sides = [job["seconds"] for job in jobs]
        for side in sides[0]:
            ratio = f"{_median(jobs, 'ratio'):.2f}" if side == "mpitrain" else ""
            rows.append([model, side, _milliseconds(sides, side), ratio])
    return markdown(("model", "side", "step, ms", "fastest other / mpitrain"), rows, words=2)


def _counted(records: Iterable[Record]) -> list[float]:
    return [record["ratio"] for record in records if record["nbytes"] >= COUNTED_FROM]


def _mean(records: Sequence[Record]) -> str:
    counted = _counted(records)
    return (
        f"geometric mean of the ratios from 64 KiB on {statistics.geometric_mean(counted):.2f}, smallest "
        f"{min(counted):.2f}"
    )


def _taken(records: Sequence[Record]) -> str:
    """Which way ran from which size on."""
    changes: list[str] = []
    before = None
    for record in records:
        way = "the library's" if record["algorithm"] == "library" else f"{record['engine']} {record['algorithm']}"
        if way != before:
            changes.append(f"{way} from {_bytes(record)} bytes on")
        before = way
    return f"taken: {', '.join(changes)}"


def _median(results: Iterable[Result], key: str) -> float:
    return statistics.median(result[key] for result in results)


def _milliseconds(results: Iterable[Result], key: str) -> str:
    return f"{1e3 * _median(results, key):.2f}"


def _added(record: Record) -> str:
    return f"{record['median_us'] - record['library_median_us']:+.2f}"


def _bytes(record: Record) -> str:
    return f"{record['nbytes']:,}"


def one_core(by_model: dict[str, list[Result]]) -> str:
    """A line a model: a step of ours and of PyTorch's fastest variant, and ours / theirs, from the jobs' medians."""
    rows = []
    for model, jobs in by_model.items():
        ours, theirs = (statistics.median(job["seconds"][name(job)] for job in jobs) for name in (_ours, _peer))
        ratios = [job["ratio"] for job in jobs]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        rows.append([model, f"{1e3 * ours:.2f}", f"{1e3 * theirs:.2f}", spread])
    return markdown(("model", "mpitrain, ms", "PyTorch, ms", "mpitrain / PyTorch"), rows, words=1)


def _ours(job: Result) -> str:
    return "mpitrain"


def _peer(job: Result) -> str:
    return job["peer"]
