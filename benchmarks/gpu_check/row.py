"""A line of the check's table, and the way it comes from the process of its part: as a line of JSON."""

import json
from typing import NamedTuple

OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"


class Row(NamedTuple):
    """What was looked at, what came out, and whether that is right (`skipped`: it could not be looked at, and why)."""

    part: str
    what: str
    result: str
    verdict: str = OK

    def line(self) -> str:
        """As JSON."""
        return json.dumps(self)


def read(line: str) -> Row | None:
    """The row of a line; None if the line is something else."""
    try:
        fields = json.loads(line)
        return Row(*fields)
    except (ValueError, TypeError):
        return None


def table(rows: list[Row]) -> str:
    """In Markdown, with columns that line up."""
    cells = [("part", "what", "result", ""), *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    lines.insert(1, " | ".join("-" * width for width in widths))
    return "".join(f"| {line} |\n" for line in lines)
