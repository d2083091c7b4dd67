"""The command line: one file a command. `python -m mpitrain` and `mpitrain` end here."""

import os
import sys
import time
from typing import NoReturn

from cyclopts import App, CycloptsError, UnusedCliTokensError

from mpitrain import __version__
from mpitrain.cli.bench import bench
from mpitrain.cli.calibrate import calibrate
from mpitrain.cli.configuration import from_toml
from mpitrain.cli.doctor import doctor
from mpitrain.cli.draw import draw
from mpitrain.cli.explain import explain
from mpitrain.cli.generate import generate
from mpitrain.cli.models import models
from mpitrain.cli.price import price
from mpitrain.cli.prove import prove
from mpitrain.cli.run import run
from mpitrain.cli.scale import scale
from mpitrain.cli.train import train
from mpitrain.cli.tune import tune
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import Deadlock, Diverged, RankFailed, UsageError
from mpitrain.launch_environment import environment_rank

app = App(
    name="mpitrain",
    help="Train neural networks on many MPI processes, through collectives written down rank by rank.",
    version=__version__,
    config=from_toml,
    suppress_keyboard_interrupt=False,
)
app.command(train)
app.command(run)
app.command(models)
app.command(generate)
app.command(prove)
app.command(price)
app.command(scale)
app.command(draw)
app.command(doctor)
app.command(bench)
app.command(tune)
app.command(explain)
app.command(calibrate)
app.default(train)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit: 0, 1 if training failed, 2 for what the user can mend (one line, from rank 0 only)."""
    launched = environment_rank(os.environ)
    if launched is not None and launched.rank != 0:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - as long as the process
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except UnusedCliTokensError as error:
        commands = ", ".join(name for name in app if not name.startswith("-"))
        unused = (error.unused_tokens or ["?"])[0]
        _fail(UsageError(f"unexpected {unused!r}: expected a command first ({commands}), then options"))
    except CycloptsError as error:
        _fail(UsageError(" ".join(str(error).split())))
    except (UsageError, ScheduleError) as error:
        _fail(error)
    except (Diverged, Deadlock, RankFailed) as error:
        _fail(error, 1)
    except KeyboardInterrupt as error:
        _fail(error, 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(error: BaseException, code: int = 2) -> NoReturn:
    """Say what is wrong, once, and exit; if the fault may be this rank's alone, so that no other waits for ever."""
    launched = environment_rank(os.environ)
    alone = launched is None or launched.size == 1
    if not alone and not getattr(error, "agreed", False):
        if "mpi4py.MPI" in sys.modules:
            raise error  # to the hook that ends the job
        if isinstance(error, UsageError):
            error = _agreed_fault(error)
    if launched is None or launched.rank == 0:
        where = ", ".join(getattr(error, "__notes__", ())) if isinstance(error, RankFailed) else ""
        print(f"mpitrain: {str(error) or 'interrupted'}{where and f' ({where})'}", file=sys.stderr, flush=True)
    else:
        time.sleep(1)  # the launcher ends the job at the first exit: let rank 0 speak first
    sys.exit(code)


def _agreed_fault(error: UsageError) -> UsageError:
    """The same fault, known to all ranks: others may have found nothing wrong, and wait in their first agreement."""
    from mpitrain.engines import init
    from mpitrain.training.agreement import agreed

    def fault() -> None:
        raise error

    try:
        agreed(init(), fault)
    except UsageError as told:
        return told
    return error
