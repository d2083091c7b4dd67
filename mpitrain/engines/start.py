"""Start MPI: importing this module imports mpi4py.MPI, after setting what the library must be told before it starts."""

import os

os.environ.setdefault("OMPI_MCA_osc", "^ucx")  # else Open MPI prints an error at each window it makes
if int(os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "1")) > len(os.sched_getaffinity(0)):
    os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")  # more ranks than cores: let the others run

from mpi4py import MPI

__all__ = ["MPI"]
