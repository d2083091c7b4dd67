"""`mpitrain run -n 8 [train options]`: the same as `mpirun -n 8 python -m mpitrain`, on any machine."""

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from mpitrain.errors import UsageError
from mpitrain.launcher import plan, survey


def run(
    *arguments: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    ranks: Annotated[int | None, Parameter(name=["-n", "--ranks"])] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Find this machine's MPI launcher and train under it: mpitrain run -n 8 [train options].

    Inside a SLURM allocation that is srun; else the mpirun of the installed MPI wheel; else the machine's own. What
    the launcher needs is added: permission for root, or for more ranks than cores. All other options go to the
    program.

    Parameters
    ----------
    ranks:
        Number of processes; by default the allocation's tasks, or one a core.
    dry_run:
        Only print the command, and why this one.
    """
    program = (sys.executable, "-m", "mpitrain", *arguments)
    launch = plan(os.environ, survey(os.environ), ranks, program)
    if dry_run:
        print(f"# {launch.why}\n{launch}")
        return 0
    sys.stdout.flush()
    try:
        # Becoming the launcher, rather than watching over it, passes on signals, Ctrl-C and the exit code untouched.
        os.execvpe(launch.command[0], launch.command, os.environ | dict(launch.environment))
    except OSError as error:
        raise UsageError(f"cannot start {launch.command[0]}: {error.strerror}") from error
