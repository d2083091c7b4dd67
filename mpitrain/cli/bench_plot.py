"""The picture of `bench --plot`: time against bytes on logarithmic scales, each way, and what none can pass."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpitrain.cli.bench_bounds import Link, bandwidth_bound, latency_bound
from mpitrain.cli.bench_kinds import KINDS

Record = dict[str, Any]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b")
"""Okabe and Ito's, told apart by colour-blind eyes too; the last two are darker than theirs."""

LINES = {"shared": "-", "mpi": "--"}
MARKS = "osD^vPX"
INK, FAINT = "#222222", "#8a8a8a"
LABELLED = 12
"""Ways in the legend at most: the best ones of some size; all others are drawn in grey."""


def draw(path: Path, collective: str, records: Sequence[Record], link: Link | None, facts: dict[str, Any]) -> None:
    """Write the picture, in the format that the file's name asks for."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "mpitrain", "text.color": INK}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10.5, 5.4), layout="constrained")
    ways, library = curves(records)
    named = contenders(ways)
    names = sorted({name.partition(" ")[2] for name in named})
    for name, points in ways.items():
        if name not in named:
            axes.plot(*zip(*points, strict=True), color="#d4d4d4", linewidth=0.9, zorder=1)
            continue
        engine, _, algorithm = name.partition(" ")
        at = names.index(algorithm)
        axes.plot(
            *zip(*points, strict=True), LINES.get(engine, "-"), color=COLOURS[at % len(COLOURS)], linewidth=1.6,
            marker=MARKS[at % len(MARKS)], markersize=4.5, markeredgewidth=0, label=name, zorder=3,
        )  # fmt: skip
    if library:
        axes.plot(
            *zip(*library, strict=True), color=INK, linewidth=2.2, marker="o", markersize=5.5, zorder=4,
            markerfacecolor="white", markeredgecolor=INK, label=f"{facts['mpi_library']}'s own call",
        )  # fmt: skip
    sizes = sorted({record["nbytes"] for record in records})
    if link is not None:
        _bounds(axes, collective, records[0]["ranks"], sizes, link)
    if any(name not in named for name in ways):
        axes.plot([], [], color="#d4d4d4", linewidth=0.9, label="other algorithms")
    times = [time for points in [*ways.values(), library] for _, time in points]
    lowest = min([*times, *([latency_bound(link, records[0]["ranks"]) * 1e6] if link else [])])
    _frame(axes, collective, records[0], facts, sizes)
    axes.set_ylim(lowest / 1.8, max(times) * 1.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8.5, handlelength=2.8)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, dpi=150, metadata=metadata)
    pyplot.close(figure)


def curves(records: Sequence[Record]) -> tuple[dict[str, list[tuple[int, float]]], list[tuple[int, float]]]:
    """(bytes, microseconds) of each way, and of the library's own call; a plan of that would be its curve once more."""
    ways: dict[str, list[tuple[int, float]]] = {}
    library: dict[int, float] = {}
    for record in records:
        if record["nbytes"] > 0 and not (record["algorithm"] == "library" and record["ratio"] is not None):
            ways.setdefault(_name(record), []).append((record["nbytes"], record["median_us"]))
        if record["nbytes"] > 0 and record["library_median_us"] is not None:
            library[record["nbytes"]] = record["library_median_us"]
    return ways, sorted(library.items())


def contenders(ways: dict[str, list[tuple[int, float]]]) -> set[str]:
    """Those that come nearest to the best time of some size, so many as can be told apart."""
    best: dict[int, float] = {}
    for points in ways.values():
        for nbytes, time in points:
            best[nbytes] = min(time, best.get(nbytes, time))
    nearest = {name: min(time / best[nbytes] for nbytes, time in points) for name, points in ways.items()}
    return set(sorted(nearest, key=lambda name: nearest[name])[:LABELLED])


def _name(record: Record) -> str:
    return f"{record['engine']} {record['algorithm']}"


def _bounds(axes: Any, collective: str, ranks: int, sizes: Sequence[int], link: Link) -> None:
    """The two lines, and the ground below both shaded."""
    span = [sizes[0] / 1.6, sizes[-1] * 1.6]
    latency = [latency_bound(link, ranks) * 1e6] * 2
    bandwidth = [bandwidth_bound(link, collective, ranks, nbytes) * 1e6 for nbytes in span]
    rate = f", 1/$\\beta$ = {1 / link.beta / 1e9:.3g} GB/s" if link.beta else ""
    told = f"bounds for messages:\n$\\alpha$ = {link.alpha * 1e6:.2g} µs{rate}"
    axes.plot(span, latency, ":", color=FAINT, linewidth=1.3, zorder=2, label=told)
    axes.plot(span, bandwidth, ":", color=FAINT, linewidth=1.3, zorder=2)
    low = [max(a, b) for a, b in zip(latency, bandwidth, strict=True)]
    crossing = min(max(span[0] * latency[0] / bandwidth[0], span[0]), span[1]) if bandwidth[0] else span[1]
    lowest = max(latency[0], bandwidth_bound(link, collective, ranks, crossing) * 1e6)
    axes.fill_between([span[0], crossing, span[1]], 1e-9, [low[0], lowest, low[1]], color="#f3f3f3", zorder=0)
    grey: dict[str, Any] = {"textcoords": "offset points", "color": FAINT, "fontsize": 9}
    logarithm = "$\\alpha\\,\\lceil\\log_2 p\\rceil$"
    axes.annotate(logarithm, (span[1], latency[1]), xytext=(-4, 4), ha="right", **grey)
    if crossing * 8 < span[1]:
        at = crossing * 3
        height = bandwidth_bound(link, collective, ranks, at) * 1e6
        axes.annotate(f"{_factor(collective, ranks)}$n\\beta$", (at, height), xytext=(8, -6), **grey)


def _factor(collective: str, ranks: int) -> str:
    """The bus factor as the reader knows it, if it is not 1."""
    bus = KINDS[collective].bus
    times = 0 if bus is None else round(bus(ranks) * ranks / (ranks - 1))
    return {1: "$\\frac{p-1}{p}\\,$", 2: "$2\\,\\frac{p-1}{p}\\,$"}.get(times, "") if bus and bus(ranks) != 1 else ""


def _frame(axes: Any, collective: str, record: Record, facts: dict[str, Any], sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlim(sizes[0] / 1.6, sizes[-1] * 1.6)
    shown = sizes if len(sizes) <= 12 else sizes[:: -(-len(sizes) // 12)]
    axes.set_xticks(shown, [_size(nbytes) for nbytes in shown])
    axes.minorticks_off()
    axes.set_xlabel("size of the whole buffer", color=INK)
    axes.set_ylabel("microseconds a call, the slowest rank's", color=INK)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    memory = {"window": "memory from world.empty", "foreign": "ordinary arrays"}[record["memory"]]
    axes.set_title(f"{collective} on {record['ranks']} ranks", loc="left", fontsize=13, fontweight="bold", color=INK)
    axes.set_title(
        f"{record['dtype']}, {memory}, by {'plans' if record['call'] == 'plan' else 'calls'}\n"
        f"{facts['cpu']}, {facts['cores']} cores",
        loc="right", fontsize=8, color=FAINT,
    )  # fmt: skip
    plain(axes)


def _size(nbytes: int) -> str:
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.3g} {name}"
    return f"{nbytes} B"


def plain(axes: Any) -> None:
    """Lines that do not come before the data."""
    axes.grid(which="major", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#bbbbbb")
    axes.tick_params(colors=INK, length=3)
