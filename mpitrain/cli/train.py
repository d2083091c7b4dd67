"""`python -m mpitrain [train]`: train on all ranks."""

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mpitrain.training.config import Config

DEFAULTS = Config()


def train(
    *,
    config: Annotated[Path | None, Parameter(negative="")] = None,
    resume: Annotated[Path | None, Parameter(negative="")] = None,
    options: Annotated[Config, Parameter(name="*")] = DEFAULTS,
) -> int:
    """Train a network on all ranks: mpirun -n 8 python -m mpitrain [options]

    Or on virtual ones, in one process: python -m mpitrain train --virtual 64 --network cluster

    Parameters
    ----------
    config
        TOML file with any of these options (without the dashes); what the command line says wins.
    resume
        Folder of a run to go on with, bit by bit as if it had never stopped; at the same number of ranks.
    """
    checked = options.completed()
    if checked.virtual is not None:
        from mpitrain.cli.train_virtual import train_virtual

        train_virtual(checked, resume)
        return 0
    from mpitrain.engines import init
    from mpitrain.engines.interruption import interrupt
    from mpitrain.training.loop import train as train_all

    stall_warn, stall_abort = checked.stall_warn, checked.stall_abort
    with init(checked.engine, stall_warn=stall_warn, stall_abort=stall_abort, tuning=checked.tuning) as world:
        signal.signal(signal.SIGTERM, interrupt)  # what Open MPI makes of Ctrl-C
        try:
            train_all(world, checked, resume)
        except KeyboardInterrupt as interruption:  # other ranks may sit in a message that will never come
            if world.rank == 0:
                print(f"mpitrain: {str(interruption) or 'interrupted'}", file=sys.stderr, flush=True)
                time.sleep(0.1)  # for the launcher to pass it on
            else:
                time.sleep(0.15)  # rank 0 speaks first; Open MPI kills all of us 0.2 s after the signal
            world.abort(130)
    return 0
