"""The diagnosis: a table of checks, in the order in which a reader wants to know."""

from collections.abc import Callable, Mapping

from mpitrain.diagnosis import gpu, job, machine
from mpitrain.diagnosis.report import Finding, Judgement, Report

CHECKS: Mapping[str, Callable[[Report], Judgement | None]] = {
    "Python": machine.python,
    "packages": machine.packages,
    "MPI library": job.library,
    "launcher": job.launcher,
    "launch": job.trial,
    "ranks": job.alike,
    "MPI threads": job.threads,
    "shared windows": job.windows,
    "/dev/shm": machine.room,
    "cores": machine.cores,
    "SLURM": machine.slurm,
    "BLAS": machine.blas,
    "half types": machine.halves,
    "GPU": gpu.gpu,
    "between GPUs": gpu.between,
    "curves": machine.curves,
}

OF_ONE, OF_MANY = "launch", "ranks"
"""The checks that make sense only for a process alone, and only for ranks of a job."""


def diagnose(report: Report) -> list[Finding]:
    """All checks that apply, in the table's order."""
    skipped = OF_MANY if report.trial or report.here["started_by"] is None else OF_ONE
    said = {name: check(report) for name, check in CHECKS.items() if name != skipped}
    return [Finding(name, *judgement) for name, judgement in said.items() if judgement is not None]
