"""All that only a GPU can tell, in 8 minutes and one table: python benchmarks/gpu_check

For a machine with a GPU and whatever Python it has: NumPy and CuPy are needed; PyTorch, ml_dtypes, and mpi4py with an
MPI library are used if they are there. It runs from a clone, installed or not, and writes docs/gpu-results.md. Each
part runs in a process of its own, so that one that hangs or breaks the device takes nothing with it. Exit code 0 if
nothing failed, 1 if something did, 2 without a GPU.

`--device emulated` runs the same on the CPU, at tiny sizes and without times: for testing this program itself.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import clone

clone.use()

from page import write  # noqa: E402
from row import FAILED, Row, read, table  # noqa: E402

from mpitrain.device import find  # noqa: E402
from mpitrain.errors import UsageError  # noqa: E402

HERE = Path(__file__).parent
PAGE = clone.ROOT / "docs" / "gpu-results.md"
# Seconds that each may take; 8 minutes in all.
PARTS = {"machine": 20, "compiling": 90, "parity": 90, "collectives": 115, "bandwidth": 60, "steps": 100}


def main() -> int:
    parser = argparse.ArgumentParser(prog="gpu_check", description="Everything that only a GPU can tell.")
    parser.add_argument("--device", choices=("cuda", "emulated"), default="cuda")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), help="by default all")
    parser.add_argument("--page", type=Path, help=f"where to write; by default {PAGE}, for all parts on a GPU only")
    arguments = parser.parse_args()
    try:
        find(arguments.device)
    except UsageError as error:
        print(f"gpu-check: {error}", file=sys.stderr)
        return 2
    begun, rows = time.monotonic(), []
    for part in arguments.parts:
        for row in run(part, arguments.device):
            print(f"{row.verdict:<8} {row.part}: {row.what}: {row.result}", flush=True)
            rows.append(row)
    failed = sum(row.verdict == FAILED for row in rows)
    print(f"\n{table(rows)}\n{len(rows)} rows, {failed} failed, {time.monotonic() - begun:.0f} s")
    whole = arguments.device == "cuda" and arguments.parts == list(PARTS)
    if arguments.page or whole:
        write(arguments.page or PAGE, rows)
    return 1 if failed else 0


def run(part: str, device: str) -> list[Row]:
    """The rows of a part, and one more if it did not come to its end."""
    command = [sys.executable, str(HERE / "part.py"), part, device]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, error = process.communicate(timeout=PARTS[part])
        ended = f"exit code {process.returncode}"
    except subprocess.TimeoutExpired:
        process.kill()
        out, error = process.communicate()
        ended = f"stopped after {PARTS[part]} s"
    rows = [row for row in map(read, out.splitlines()) if row is not None]
    if process.returncode:
        last = (error.strip().splitlines() or [""])[-1][:160]
        rows.append(Row(part, "all others", f"{ended}: {last}", FAILED))
    return rows
