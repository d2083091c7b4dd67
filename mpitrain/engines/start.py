"""Start MPI: importing this module does, after telling the library what it must know before.

`UsageError` if another MPI's launcher started us: some libraries then die in MPI_Init with a text that helps nobody, so
the question is asked before.
"""

import os
import warnings

import mpi4py

from mpitrain.engines.backing import unlink_startup_segments
from mpitrain.errors import UsageError
from mpitrain.launch_environment import mismatch, ranks_on_host


def _cores_of_host() -> int:
    """The cores this job may use here: those of the process that started us, since we may be bound to one of them."""
    try:
        return len(os.sched_getaffinity(0) | os.sched_getaffinity(os.getppid()))
    except PermissionError:  # the launcher's helper belongs to another user
        return len(os.sched_getaffinity(0))


os.environ.setdefault("OMPI_MCA_osc", "^ucx")  # else Open MPI prints an error at each window it makes
CROWDED = ranks_on_host(os.environ) > _cores_of_host()
if CROWDED:
    os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")  # more ranks than cores: let the others run

mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
from mpi4py import MPI  # noqa: E402

if not MPI.Is_initialized():
    trap = mismatch(os.environ, MPI.Get_library_version(), None)
    if trap:
        raise UsageError(trap, agreed=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mpi4py suspects the trap too; of_job() names it and the way out, once
        MPI.Init_thread(MPI.THREAD_MULTIPLE)
    MPI.COMM_WORLD.Barrier()
    unlink_startup_segments(MPI.COMM_WORLD.Get_size())

MANY_THREADS = MPI.Query_thread() == MPI.THREAD_MULTIPLE  # which was asked for; a library may grant less

__all__ = ["CROWDED", "MANY_THREADS", "MPI"]
