"""The command line: one file a command. `python -m mpitrain` and `mpitrain` end here."""

import os
import sys
import time
from typing import NoReturn

from cyclopts import App, CycloptsError, UnusedCliTokensError

from mpitrain import __version__
from mpitrain.cli.configuration import from_toml
from mpitrain.cli.draw import draw
from mpitrain.cli.price import price
from mpitrain.cli.prove import prove
from mpitrain.cli.run import run
from mpitrain.cli.train import train
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.launch_environment import environment_rank
from mpitrain.training.trainer import Diverged

app = App(
    name="mpitrain",
    help="Train neural networks on many MPI processes, through collectives written down rank by rank.",
    version=__version__,
    config=from_toml,
)
app.command(train)
app.command(run)
app.command(prove)
app.command(price)
app.command(draw)
app.default(train)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, 1 if training failed, 2 for what the user can mend (one line, from rank 0 only)."""
    launched = environment_rank(os.environ)
    speaks = launched is None or launched.rank == 0
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except UnusedCliTokensError as error:
        commands = ", ".join(name for name in app if not name.startswith("-"))
        _fail(f"no command {(error.unused_tokens or ['?'])[0]!r}: expected one of {commands}, or options", speaks, 2)
    except (CycloptsError, UsageError, ScheduleError) as error:
        _fail(str(error), speaks, 2)
    except Diverged as error:
        _fail(str(error), speaks, 1)
    except KeyboardInterrupt:
        _fail("interrupted", speaks, 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(line: str, speaks: bool, code: int) -> NoReturn:
    if speaks:
        print(f"mpitrain: {' '.join(line.split())}", file=sys.stderr, flush=True)
    elif "mpi4py.MPI" not in sys.modules:
        time.sleep(5)  # MPI has not started: the launcher ends the job at the first exit, so let rank 0 speak first
    sys.exit(code)
