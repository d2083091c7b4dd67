"""What each launcher tells its processes, the trap of the wrong launcher, and where rank 0's output goes."""

import json
import os
import pty
import subprocess
import sys
import termios

import pytest

from mpitrain.errors import UsageError
from mpitrain.launch_environment import LaunchedRank, environment_rank, mismatch, ranks_on_host, stdout_terminal
from mpitrain.launcher import plan, survey

# As seen in real launches, without what does not matter here.
OPENMPI = {"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "8", "PMIX_RANK": "2"}
HYDRA = {"PMI_RANK": "2", "PMI_SIZE": "8", "PMI_FD": "9", "MPI_LOCALNRANKS": "8"}
BATCH_SCRIPT = {"SLURM_JOB_ID": "4", "SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4"}
STEP = BATCH_SCRIPT | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "2"}
SRUN_PMI2 = STEP | {"PMI_RANK": "2", "PMI_SIZE": "8", "PMI_JOBID": "4.0"}
SRUN_PMIX = STEP | {"PMIX_RANK": "2"}
# Within a batch job Open MPI starts one daemon a node by srun, and its ranks inherit that step's variables.
OPENMPI_IN_JOB = BATCH_SCRIPT | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1"} | OPENMPI


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (BATCH_SCRIPT, None),
        (OPENMPI, LaunchedRank(2, 8, "Open MPI's mpirun")),
        (OPENMPI_IN_JOB, LaunchedRank(2, 8, "Open MPI's mpirun")),
        (HYDRA, LaunchedRank(2, 8, "a launcher like MPICH's mpiexec")),
        (SRUN_PMI2, LaunchedRank(2, 8, "srun --mpi=pmi2")),
        (SRUN_PMIX, LaunchedRank(2, 8, "srun --mpi=pmix")),
        (STEP, LaunchedRank(2, 8, "srun")),
        ({"PMIX_RANK": "2"}, LaunchedRank(2, None, "a PMIx launcher")),
    ],
)
def test_rank_by_environment(environment, expected):
    assert environment_rank(environment) == expected


OPENMPI_TEXT = "Open MPI v5.0.11, package: Open MPI user@host Distribution, ident: 5.0.11, repo rev: v5.0.11"
MPICH_TEXT = "MPICH Version:      5.0.2\nMPICH Release date: unreleased development copy"


@pytest.mark.parametrize(
    ("environment", "library", "expected"),
    [
        (
            OPENMPI,
            MPICH_TEXT,
            "Open MPI's mpirun started 8 processes, but in each of them MPICH sees only itself (rank 0 of 1): "
            "launch with MPICH's own mpiexec, or with `mpitrain run -n 8`, which finds the right one",
        ),
        (
            HYDRA,
            OPENMPI_TEXT,
            "a launcher like MPICH's mpiexec started 8 processes, but in each of them Open MPI sees only itself "
            "(rank 0 of 1): launch with Open MPI's own mpirun, or with `mpitrain run -n 8`, which finds the right one",
        ),
        (
            SRUN_PMI2,
            OPENMPI_TEXT,
            "srun --mpi=pmi2 started 8 processes, but in each of them Open MPI sees only itself (rank 0 of 1): "
            "launch with srun --mpi=pmix, or with `mpitrain run -n 8`, which finds the right one",
        ),
        (
            STEP,
            MPICH_TEXT,
            "srun started 8 processes, but in each of them MPICH sees only itself (rank 0 of 1): "
            "launch with srun --mpi=pmi2, or with `mpitrain run -n 8`, which finds the right one",
        ),
    ],
)
def test_wrong_launcher_is_named(environment, library, expected):
    assert mismatch(environment, library, size=1) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            OPENMPI,
            "Open MPI's mpirun started 8 processes, but MPICH, built without PMIx, cannot start in them: "
            "launch with MPICH's own mpiexec, or with `mpitrain run -n 8`, which finds the right one",
        ),
        (
            SRUN_PMIX,
            "srun --mpi=pmix started 8 processes, but MPICH, built without PMIx, cannot start in them: "
            "launch with srun --mpi=pmi2, or with `mpitrain run -n 8`, which finds the right one",
        ),
    ],
)
def test_launcher_that_mpich_dies_under_is_named_before_mpi_starts(environment, expected):
    assert mismatch(environment, MPICH_TEXT, size=None) == expected
    assert mismatch(environment, MPICH_TEXT + "\nMPICH configure: --with-pmix=/usr", size=None) is None
    assert mismatch(environment, OPENMPI_TEXT, size=None) is None


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, 1),
        ({}, None),
        (HYDRA, None),
        (BATCH_SCRIPT, 1),
        (OPENMPI, 8),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, 1),
        ({"PMIX_RANK": "0"}, 1),
        (STEP, 16),  # a heterogeneous job: SLURM counts one part of it
    ],
)
def test_right_launcher_is_no_mismatch(environment, size):
    assert mismatch(environment, OPENMPI_TEXT, size) is None


@pytest.mark.parametrize(("told", "expected"), [("120x40", (120, 40)), ("no", None), ("", None), ("wide", None)])
def test_terminal_as_told(told, expected):
    assert stdout_terminal(OPENMPI | {"MPITRAIN_TERMINAL": told}) == expected


ASK = """
import json, os
from mpitrain.launch_environment import stdout_terminal
{}(json.dumps(stdout_terminal(os.environ)))
"""


@pytest.fixture
def launch():
    """A command for two ranks under this machine's launcher, and its environment, which does not tell of terminals."""

    def command(program):
        try:
            launch = plan(os.environ, survey(os.environ), 2, (sys.executable, "-c", program))
        except UsageError as error:
            pytest.skip(str(error))
        environment = os.environ | dict(launch.environment)
        del environment["MPITRAIN_TERMINAL"]
        return {"args": launch.command, "env": environment, "timeout": 60, "check": True}

    return command


def test_launcher_writes_to_a_file(launch, tmp_path):
    with open(tmp_path / "output", "w") as output:
        subprocess.run(**launch(ASK.format("print")), stdout=output)
    assert (tmp_path / "output").read_text().split() == ["null", "null"]


def test_launcher_writes_to_a_pipe(launch):
    assert subprocess.run(**launch(ASK.format("print")), stdout=subprocess.PIPE).stdout.split() == [b"null", b"null"]


def test_launcher_writes_to_a_terminal(launch, tmp_path):
    """The answers go to files, one a process, since a terminal would only show them."""
    answer = f"open('{tmp_path}/' + str(os.getpid()), 'w').write"
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (33, 101))
    try:
        subprocess.run(**launch(ASK.format(answer)), stdout=theirs)
    finally:
        os.close(ours)
        os.close(theirs)
    assert [json.loads(file.read_text()) for file in tmp_path.iterdir()] == [[101, 33], [101, 33]]


@pytest.mark.parametrize(
    ("environment", "ranks"),
    [
        ({}, 1),
        ({"OMPI_COMM_WORLD_LOCAL_SIZE": "8", "SLURM_STEP_TASKS_PER_NODE": "1(x2)"}, 8),
        ({"MPI_LOCALNRANKS": "3"}, 3),
        ({"SLURM_STEP_TASKS_PER_NODE": "4(x2),3"}, 4),
        ({"SLURM_STEP_TASKS_PER_NODE": "2"}, 2),
    ],
)
def test_ranks_on_this_host(environment, ranks):
    assert ranks_on_host(environment) == ranks
