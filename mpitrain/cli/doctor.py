"""`mpitrain doctor`: is this machine fit for jobs of many ranks, and if not, what is to be done?"""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mpitrain.cli.json_file import write_json
from mpitrain.diagnosis.checks import diagnose
from mpitrain.diagnosis.facts import PROBES, look
from mpitrain.diagnosis.limit import limited
from mpitrain.diagnosis.report import FAIL, NOTE, OK, Finding, Report
from mpitrain.diagnosis.trial import try_launch
from mpitrain.errors import UsageError
from mpitrain.launch_environment import environment_rank, mismatch, stdout_terminal

PATIENCE = 45.0
"""Seconds within which all ranks must have told what they see."""

STYLES = {OK: "green", NOTE: "yellow", FAIL: "bold red"}


def doctor(*, json_file: Annotated[Path | None, Parameter(name="--json")] = None) -> int:
    """Check this machine, its MPI and this Python environment; say what is wrong and what to do.

    Alone it launches two ranks of itself to see whether they find each other; under a launcher (mpirun -n 4 python -m
    mpitrain doctor) all ranks tell what they see, and where they differ. Exit code 0: nothing failed; 1: something
    did; 2: wrong arguments.

    Parameters
    ----------
    json_file
        Also write everything found to this file, as JSON.
    """
    launched = environment_rank(os.environ)
    alone = launched is None or (launched.size == 1 and launched.launcher.startswith("srun"))
    report = _report_alone() if alone else _report_of_ranks()
    if report is None:  # rank 0 speaks
        return 0
    findings = diagnose(report)
    if json_file is not None and (launched is None or launched.rank == 0):
        write_json(json_file, {
            "findings": [finding._asdict() for finding in findings],
            "ranks": list(report.ranks),
            "launch": report.trial._asdict() if report.trial else None,
        })  # fmt: skip
    _show(findings, report)
    return int(any(finding.verdict == FAIL for finding in findings))


def _report_alone() -> Report:
    here = look({**PROBES, "library": _library})
    if not here["library"] or not here["launcher"]:
        return Report(here, [here], None)
    return Report(here, [here], try_launch())


def _report_of_ranks() -> Report | None:
    """Everybody's facts, at rank 0; None elsewhere. Where MPI does not start, what this process knows alone."""
    # The launcher has done its part; to look for it again would only cost every rank some time.
    probes = {name: probe for name, probe in PROBES.items() if name != "launcher"}
    here = look({**probes, "library": _library})
    if not here["library"]:
        return Report(here, [here], None)
    rank, size = here["started_by"]["rank"], here["started_by"]["size"]
    silence = (
        f"mpitrain: doctor: rank {rank} of {size or 'some'} heard nothing from the others within {PATIENCE:g} s: "
        f"do all ranks run the same Python and MPI, and can their hosts reach each other?"
    )
    with limited(PATIENCE + (0 if rank == 0 else 2), silence):  # rank 0 speaks first, and the launcher ends the others
        try:
            from mpitrain.engines.start import MPI
        except UsageError as trap:
            here["trap"] = str(trap)
            return Report(here, [here], None)
        world = MPI.COMM_WORLD
        here["trap"] = mismatch(os.environ, MPI.Get_library_version(), world.size)
        here |= {"rank": world.rank, "size": world.size, "threads": MPI.Query_thread() == MPI.THREAD_MULTIPLE}
        ours = look({"window": lambda: _window(MPI)})
        here |= {"window": ours["window"], "faults": here["faults"] | ours["faults"]}
        ranks = world.gather(here)
    return Report(here, ranks, None) if ranks else None


def _library() -> dict[str, str]:
    """The MPI library that mpi4py loads. Does not start it."""
    import mpi4py

    mpi4py.rc.initialize, mpi4py.rc.finalize = False, True  # as in engines/start.py, which may come later
    from mpi4py import MPI

    vendor, version = MPI.get_vendor()
    loaded = re.findall(r"/\S*/lib(?:mpi|mpich|mpi_cray\w*)\.so\S*", Path("/proc/self/maps").read_text())
    return {
        "name": vendor, "version": ".".join(map(str, version)), "path": loaded[0] if loaded else "",
        "family": "openmpi" if vendor == "Open MPI" else "mpich",
    }  # fmt: skip


def _window(mpi: Any) -> int:
    """Write and read memory that the ranks of this node share; gives their number. Collective on the node."""
    node = mpi.COMM_WORLD.Split_type(mpi.COMM_TYPE_SHARED)
    window = mpi.Win.Allocate_shared(8, 8, comm=node)
    places = [np.frombuffer(window.Shared_query(rank)[0], np.int64) for rank in range(node.size)]
    window.Lock_all()
    places[node.rank][0] = node.rank + 1
    window.Sync()
    node.Barrier()
    window.Sync()
    read = [int(place[0]) for place in places]
    window.Unlock_all()
    node.Barrier()  # all have read
    del places
    window.Free()
    if read != list(range(1, node.size + 1)):
        raise ValueError(f"{node.size} ranks wrote their number plus one, and this one read {read}")
    return int(node.size)


def _show(findings: Sequence[Finding], report: Report) -> None:
    size = stdout_terminal(os.environ)
    console = Console(width=size[0] if size else 100, force_terminal=size is not None, highlight=False)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for column in ("verdict", "name"):
        table.add_column(column, no_wrap=True)
    table.add_column("text", overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.verdict, STYLES[finding.verdict]), finding.name, Text(finding.text))
        if finding.mend:
            table.add_row("", "", Text(f"→ {finding.mend}", STYLES[finding.verdict]))
    ranks = f"{len(report.ranks)} ranks" if len(report.ranks) > 1 else "one process"
    console.print(Text(f"mpitrain {report.here['mpitrain']} on {report.here['host']}, {ranks}\n", "bold"))
    console.print(table)
    failed = [finding.name for finding in findings if finding.verdict == FAIL]
    text = f"{len(failed)} of {len(findings)} failed: {', '.join(failed)}" if failed else "Ready to train."
    console.print(Text(f"\n{text}", STYLES[FAIL if failed else OK]))
