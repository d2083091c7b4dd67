"""What `scale` prints: a table a model, the published figures beside the model's, and the assumptions."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from mpitrain.scaling.assumptions import Assumption
from mpitrain.scaling.load import Load
from mpitrain.scaling.sweep import Point

AT_MOST = "≤ "
"""Before algorithms whose price is a bound."""


def results(model: str, load: Load, points: Sequence[Point]) -> Group:
    megabytes = sum(gradients.nbytes for gradients in load.gradients) / 1e6
    buckets = max(len(point.step.exchanges) for point in points)
    sent = f"{megabytes:,.0f} MB of gradients" + (f", {buckets} buckets" if buckets > 1 else "")
    table = _table("ranks", "step ms", "compute", "exposed", "samples/s", "efficiency", "without\noverlap")
    table.add_column("algorithm", overflow="fold")
    for point in points:
        step = point.step
        table.add_row(
            f"{point.ranks}",
            *(_milliseconds(seconds) for seconds in (step.seconds, step.computing, step.exposed)),
            f"{point.samples_a_second:,.0f}" if point.samples_a_second >= 10 else f"{point.samples_a_second:.3g}",
            *(f"{100 * share:.1f} %" for share in (point.efficiency, point.bare_efficiency)),
            ("" if point.exact else AT_MOST) + ", ".join(point.algorithms),
        )
    return Group(Text(f"{model}: {load.batch} a rank at {load.told}, {sent}", "bold"), table)


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}" if seconds < 10 else f"{seconds * 1e3:,.0f}"


def comparison(records: Iterable[dict[str, Any]]) -> Group:
    """Of records with ranks, model, and three efficiencies: published, ours, and ours without overlap."""
    table = _table("GPUs")
    table.add_column("model")
    for name in ("published", "here", "difference", "without\noverlap", "difference"):
        table.add_column(name, justify="right")
    for record in records:
        published = record["published"]
        row = [f"{100 * published:.0f} %"]
        for share in (record["efficiency"], record["bare_efficiency"]):
            row += [f"{100 * share:.1f} %", f"{100 * (share - published):+.1f}"]
        table.add_row(f"{record['ranks']}", record["model"], *row)
    told = "Efficiency as Horovod's authors published it, and here; differences in points"
    return Group(Text(told, "bold"), table)


def _table(*right: str) -> Table:
    """With these columns of numbers first."""
    table = Table(box=None, padding=(0, 0, 0, 1))
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def listed(assumptions: Iterable[Assumption]) -> str:
    return "\n".join(f"- {told} ({source})" for told, source, _ in assumptions)
