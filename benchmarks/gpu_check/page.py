"""docs/gpu-results.md: the table, and what it was measured on."""

import subprocess
import time
from pathlib import Path

from clone import ROOT
from row import FAILED, Row, table

HEAD = """# What a GPU told

Written by `make gpu-check`, which says how: [benchmarks/gpu_check](../benchmarks/gpu_check/check.py). Parity is the
largest difference to NumPy on the same numbers, relative to the largest number; bandwidth counts the bytes that must be
moved, and a copy on the device reads and writes; ranks that share a GPU say what is right, not what is fast.
"""


def write(path: Path, rows: list[Row]) -> None:
    """The whole page anew."""
    machine = "".join(f"- {row.what}: {row.result}\n" for row in rows if row.part == "machine")
    failed = [row for row in rows if row.verdict == FAILED]
    verdict = f"{len(failed)} of {len(rows)} rows failed." if failed else "Nothing failed."
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    rest = table([row for row in rows if row.part != "machine"])
    path.write_text(f"{HEAD}\n{date}, commit {_commit()}. {verdict}\n\n{machine}\n{rest}", encoding="utf-8")


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip() or "unknown"
    except OSError:
        return "unknown"
