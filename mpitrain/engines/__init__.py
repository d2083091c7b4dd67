"""How it moves: each engine runs schedules on one kind of world. `init` picks the world."""

import os

from ..launch_environment import environment_rank
from ..world import World


def init() -> World:
    """This process's world: all ranks if a launcher started it (mpirun, srun), else a world of one without MPI."""
    if environment_rank(os.environ) is None:
        from .solo import SoloWorld

        return SoloWorld()
    from .mpi import MPIWorld

    return MPIWorld.of_job()
