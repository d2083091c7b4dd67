"""What a process can learn from whoever launched it, before MPI starts.

Launchers tell each process its rank in environment variables. From these we know whether there is a launch at all,
whether the MPI library understood its launcher, and where rank 0's output really goes. Needs nothing but Python.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class LaunchedRank(NamedTuple):
    """A rank as its launcher describes it; `size` is None where the launcher tells the rank alone."""

    rank: int
    size: int | None
    launcher: str


# Variables of rank and size, a third that tells kin apart, and who sets them. In this order: mpirun and mpiexec start
# their helpers through srun inside a SLURM job, so SLURM's are believed only when nobody else speaks. SLURM_NTASKS
# would be wrong: a batch script has it too, though no step is running.
_LAUNCHES = [
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "", "Open MPI's mpirun"),
    ("PMI_RANK", "PMI_SIZE", "PMI_JOBID", "srun --mpi=pmi2"),
    ("PMI_RANK", "PMI_SIZE", "", "a launcher like MPICH's mpiexec"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "PMIX_RANK", "srun --mpi=pmix"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "", "srun"),
]


def environment_rank(environment: Mapping[str, str]) -> LaunchedRank | None:
    """This process's rank and the number of ranks according to its launcher; None if there is no launcher."""
    for rank, size, mark, launcher in _LAUNCHES:
        if rank in environment and size in environment and (not mark or mark in environment):
            return LaunchedRank(int(environment[rank]), int(environment[size]), launcher)
    if "PMIX_RANK" in environment:
        return LaunchedRank(int(environment["PMIX_RANK"]), None, "a PMIx launcher")
    return None


def ranks_on_host(environment: Mapping[str, str]) -> int:
    """How many ranks the launcher started on this host, as far as it tells; SLURM tells the most on any host."""
    for name in ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"):
        if name in environment:
            return int(environment[name])
    per_node = re.sub(r"\(x\d+\)", "", environment.get("SLURM_STEP_TASKS_PER_NODE", "1"))  # such as 4(x2),3
    return max(map(int, per_node.split(",")))


def mismatch(environment: Mapping[str, str], library: str, size: int | None) -> str | None:
    """The classic trap, in one line: another MPI's launcher started us. None if all is well.

    Then every process believes it is rank 0 of 1 or, with MPICH under a launcher that speaks PMIx, dies in MPI_Init.
    `library` is what MPI.Get_library_version() says, which may be asked before MPI starts; `size` is that of MPI's
    world, None before MPI starts. To say it once, let only the process speak whose `environment_rank` is 0.
    """
    launched = environment_rank(environment)
    if launched is None or launched.size is None or launched.size == 1:
        return None
    openmpi = "Open MPI" in library
    name = "Open MPI" if openmpi else library.split(" Version")[0].strip()
    if size == 1:
        trap = f"in each of them {name} sees only itself (rank 0 of 1)"
    elif size is None and name == "MPICH" and "PMIX_RANK" in environment and "pmix" not in library.lower():
        trap = "MPICH, built without PMIx, cannot start in them"
    else:
        return None
    if launched.launcher.startswith("srun"):
        right = "srun --mpi=pmix" if openmpi else "srun --mpi=pmi2"
    else:
        right = f"{name}'s own {'mpirun' if openmpi else 'mpiexec'}"
    return (
        f"{launched.launcher} started {launched.size} processes, but {trap}: "
        f"launch with {right}, or with `mpitrain run -n {launched.size}`, which finds the right one"
    )


def stdout_terminal(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """The (columns, lines) of the terminal that rank 0's output ends up on, or None if it is no terminal.

    A rank cannot simply ask `isatty()`: Open MPI gives its ranks a pseudo-terminal even when mpirun writes into a
    file, and MPICH gives them a pipe even when mpiexec writes to a terminal. The launcher's own output tells.
    `MPITRAIN_TERMINAL`, "120x40" or "no", set by `mpitrain run` or by hand, overrides.
    """
    told = environment.get("MPITRAIN_TERMINAL")
    if told is not None:
        asked = re.fullmatch(r"(\d+)x(\d+)", told)
        return (int(asked[1]), int(asked[2])) if asked else None
    if environment_rank(environment) is None:
        return terminal_size(sys.stdout.fileno()) if sys.stdout.isatty() else None
    launcher = _launcher_process()
    if launcher is not None:
        return _terminal_of(launcher)
    # Under srun the launcher is no ancestor of ours, and what we have is the truth. Only Open MPI's daemons lie.
    lies = "OMPI_COMM_WORLD_RANK" in environment
    return terminal_size(sys.stdout.fileno()) if sys.stdout.isatty() and not lies else None


def terminal_size(descriptor: int) -> tuple[int, int] | None:
    """(columns, lines) of the terminal behind a file descriptor, None if there is none."""
    try:
        columns, lines = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return (columns or 80, lines or 24)  # some pseudo-terminals say 0 x 0


# What the user typed, as the kernel names it (at most 15 letters). prterun is what Open MPI's mpirun turns into; the
# helpers between it and a rank (prted, hydra_pmi_proxy, slurmstepd) have other names and other outputs.
_LAUNCHERS = {"mpirun", "mpiexec", "orterun", "prterun", "mpiexec.hydra"}


def _launcher_process() -> Path | None:
    """/proc/<pid> of the nearest ancestor that is a launcher."""
    pid = os.getppid()
    while pid > 1:
        process = Path(f"/proc/{pid}")
        try:
            name, rest = process.joinpath("stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except OSError:  # it ended meanwhile, or there is no /proc
            return None
        if name in _LAUNCHERS:
            return process
        pid = int(rest.split()[1])
    return None


def _terminal_of(process: Path) -> tuple[int, int] | None:
    """The terminal that a process of ours writes to."""
    output = process / "fd" / "1"
    try:
        if not os.readlink(output).startswith("/dev/"):  # a file or a pipe, which opening could disturb
            return None
        descriptor = os.open(output, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return terminal_size(descriptor)
    finally:
        os.close(descriptor)
