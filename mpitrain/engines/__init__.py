"""How it moves: each engine runs schedules on one kind of world. `init` picks the world."""

import os
from pathlib import Path

from mpitrain.errors import UsageError
from mpitrain.launch_environment import environment_rank
from mpitrain.world import World


def init(
    engine: str = "auto",
    *,
    stall_warn: float = 30.0,
    stall_abort: float | None = None,
    tuning: str | Path | None = None,
) -> World:
    """This process's world: all ranks if a launcher started it (mpirun, srun), else a world of one without MPI.

    `engine` "solo" insists on the second, "mpi" and "shared" on the first, by messages or in memory that the ranks of
    one node share. BLAS is held to the cores that a rank has. An exception that nobody catches, in any thread, ends the
    job on all ranks, and so does Ctrl-C. `UsageError` if another MPI's launcher started us.

    Once a rank has waited in one call for `stall_warn` seconds, a report says who is missing and where every rank is;
    after `stall_abort` seconds (None: never) the job ends with it. The environment variables MPITRAIN_STALL_WARN and
    MPITRAIN_STALL_ABORT, in seconds, have precedence.

    `tuning` is the file of `mpitrain tune` by which `auto` chooses; by default the one that MPITRAIN_TUNING names, if
    any. Rank 0 reads it; `UsageError` on all ranks if it cannot be used.
    """
    if engine not in ("auto", "mpi", "shared", "solo"):
        raise ValueError(f"engine {engine!r}: expected auto, mpi, shared or solo")
    launched = environment_rank(os.environ)
    if engine == "solo" and launched is not None and launched.size != 1:
        raise UsageError(
            f"engine solo is for one process: expected no launcher, found that {launched.launcher} started us; "
            f"leave the launcher or the engine away",
            agreed=True,
        )
    if engine == "solo" or (engine == "auto" and launched is None):
        from mpitrain.engines.solo import SoloWorld
        from mpitrain.tuning.table_file import read_tables

        read_tables(tuning)  # nothing to choose from it here, but what is wrong with it is said
        return SoloWorld()
    from mpitrain.engines.cores import blas_threads, cores_of_rank, limit_blas_threads
    from mpitrain.engines.failure import end_job_on_failure
    from mpitrain.engines.interruption import end_waits_on_interrupt
    from mpitrain.engines.mpi import MPIWorld
    from mpitrain.engines.watch import limits_of, watch

    limits = limits_of(os.environ, stall_warn, stall_abort)
    world = MPIWorld.of_job(engine, tuning)
    limit_blas_threads(min(cores_of_rank(world), blas_threads()))
    end_job_on_failure(world)
    end_waits_on_interrupt(world)
    watch(limits)
    return world
