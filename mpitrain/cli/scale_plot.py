"""The picture of `scale --plot`: efficiency against ranks, with overlap and without, and what others have published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpitrain.cli.bench_plot import COLOURS, FAINT, INK, plain
from mpitrain.network import Network
from mpitrain.scaling.sweep import Point

MARKS = "osD^v"


def draw(
    path: Path, network: Network, swept: Mapping[str, Sequence[Point]], published: Sequence[dict[str, Any]]
) -> None:
    """Write the picture, in the format that the file's name asks for."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams |= {"font.family": "DejaVu Sans", "font.size": 9, "svg.hashsalt": "mpitrain", "text.color": INK}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10.5, 5.4), layout="constrained")
    for number, (model, of_model) in enumerate(swept.items()):
        _model(axes, model, of_model, [record for record in published if record["model"] == model], number)
    grey: dict[str, Any] = {"color": FAINT, "linewidth": 1.2}
    axes.plot([], [], label="without overlap", **grey, linestyle=":")
    if published:
        axes.plot([], [], "s", markerfacecolor="none", color=FAINT, label="published by Horovod's authors")
    points = [point for of_model in swept.values() for point in of_model]
    least = min([point.bare_efficiency for point in points] + [record["published"] for record in published])
    _frame(axes, network, sorted({point.ranks for point in points}), lowest=max(0, int(least * 10 - 0.5)) * 10)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8.5, handlelength=2.8)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else {})
    pyplot.close(figure)


def _model(axes: Any, model: str, points: Sequence[Point], published: Sequence[dict[str, Any]], number: int) -> None:
    ranks = [point.ranks for point in points]
    look: dict[str, Any] = {"color": COLOURS[number % len(COLOURS)], "zorder": 3}
    axes.plot(
        ranks, [100 * point.efficiency for point in points], "-", linewidth=1.8, label=model, **look,
        marker=MARKS[number % len(MARKS)], markersize=4, markeredgewidth=0,
    )  # fmt: skip
    axes.plot(ranks, [100 * point.bare_efficiency for point in points], ":", linewidth=1.2, **look)
    axes.plot(
        [record["ranks"] for record in published], [100 * record["published"] for record in published],
        linestyle="none", marker=MARKS[number % len(MARKS)], markersize=9, markerfacecolor="none",
        markeredgewidth=1.6, **(look | {"zorder": 4}),
    )  # fmt: skip


def _frame(axes: Any, network: Network, ranks: Sequence[int], lowest: float) -> None:
    axes.set_xscale("log", base=2)
    shown = ranks if len(ranks) <= 13 else ranks[:: -(-len(ranks) // 13)]
    axes.set_xticks(shown, [f"{size:,}" for size in shown])
    axes.minorticks_off()
    axes.set_ylim(lowest, 102)
    axes.yaxis.set_major_formatter(lambda value, position: f"{value:.0f} %")
    axes.set_xlabel("ranks, the same batch each", color=INK)
    axes.set_ylabel("efficiency: a rank's speed, of its speed alone", color=INK)
    axes.set_title(f"{network}", loc="left", fontsize=8, color=FAINT)
    axes.figure.suptitle("How far training scales", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    plain(axes)
