"""What `mpitrain price` prints: a ranked table, how far the best is from the lower bound, and where it changes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from rich.console import Console
from rich.table import Table

from mpitrain.analysis.estimate import Bound, Curve, Estimate, Reign, best, reigns
from mpitrain.network import Network

HOW = {
    "walked": "exact: every rank's program was walked",
    "alike": "exact: ranks do alike and nobody waits, as a sample of ranks and of their partners tells",
    "pipeline": "two segments were walked, the others follow in step: exact wherever whole walks could be compared",
    "bounds": "between two bounds; the upper one counts",
    "at least": "no upper bound was found as quickly; it is ranked by the lower one, and never called the cheapest",
}
"""What the words in the last column mean."""

WIDE = 200
"""Columns of a file."""

KIB, MIB = 1 << 10, 1 << 20


def show(
    collective: str,
    ranks: int,
    network: Network,
    sizes: Mapping[str, int],
    curves: Sequence[Curve],
    bound: Bound | None,
) -> None:
    """Print all of it. `sizes`: bytes by how they were asked for; algorithms are ranked at the last of them."""
    last = list(sizes.values())[-1]
    table = Table(
        "algorithm",
        title=f"{collective} on {ranks:,} ranks, microseconds, ranked at {list(sizes)[-1]}",
        title_justify="left",
    )
    for size in sizes:
        table.add_column(size, justify="right", no_wrap=True)
    for name in ("steps", "messages"):
        table.add_column(name, justify="right")
    table.add_column("how")
    for curve in sorted(curves, key=lambda curve: curve.known(last)):
        estimates = [curve.at(nbytes) for nbytes in sizes.values()]
        cells = [_cell(found, nbytes) for found, nbytes in zip(estimates, sizes.values(), strict=True)]
        found = estimates[-1]
        how = " ".join(dict.fromkeys(estimate.how for estimate in estimates))
        table.add_row(curve.name, *cells, f"{found.steps:,}", f"{found.messages:,}", how)
    if bound is not None:
        table.add_section()
        table.add_row("lower bound", *(_microseconds(bound.at(nbytes)) for nbytes in sizes.values()))
        table.add_row("best / lower bound", *(_ratio(curves, bound, nbytes) for nbytes in sizes.values()))
    console = Console()
    if not console.is_terminal:  # nobody wants half of a number in a file
        console = Console(width=max(console.width, WIDE))
    console.print(table)
    for line in _notes(ranks, network, curves, bound):
        console.print(line, highlight=False)


def _notes(ranks: int, network: Network, curves: Sequence[Curve], bound: Bound | None) -> list[str]:
    lines = []
    if len(curves) > 1:
        lines.append(f"cheapest: {_told(reigns(curves))}")
    if bound is not None:
        lines.append(
            f"lower bound: the larger of {_microseconds(bound.messages)} us, for messages that follow each other, and "
            f"{(bound.sent + bound.summed) * 1e6:.3g} us a byte, sent and summed; {bound.together}"
        )
    used = {estimate.how for curve in curves for estimate in curve.estimates}
    lines += [f"{word}: {meaning}" for word, meaning in HOW.items() if word in used]
    if any(len(curve.starts) > 1 for curve in curves):
        lines.append("segments are fitted to the data, as when they run: steps and messages are those of the last size")
    lines.append(f"network: {network}")
    return lines


def _told(found: Sequence[Reign]) -> str:
    parts = [f"{name} below {size_in_words(after.first)}" for (_, name), after in pairwise(found)]
    return ", ".join([*parts, f"then {found[-1].name}" if parts else f"{found[-1].name} at all sizes"])


def size_in_words(nbytes: int) -> str:
    """Such as 12.5 KiB, in four digits at most; bytes up to 10 KiB."""
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if nbytes >= 10 * KIB and nbytes >= unit:
            return f"{nbytes / unit:.4g} {name}"
    return f"{nbytes:,} bytes"


def _cell(found: Estimate, nbytes: int) -> str:
    lower = _microseconds(float(found.lower.at(nbytes)))
    if found.upper is None:
        return f"{lower} or more"
    upper = _microseconds(float(found.upper.at(nbytes)))
    return lower if upper == lower else f"{lower} to {upper}"


def _ratio(curves: Sequence[Curve], bound: Bound, nbytes: int) -> str:
    least = bound.at(nbytes)
    return f"{best(curves, nbytes).seconds(nbytes) / least:.2f}" if least else "-"


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f}" if seconds >= 1e-3 else f"{seconds * 1e6:.2f}"
