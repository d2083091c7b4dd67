"""A time limit that holds even inside MPI_Init, where the library keeps Python's lock and no thread of ours can run."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Its input ends with the block, or with the whole process; if it does not, time is up.
WATCH = """
import os, select, signal, sys
if not select.select([0], [], [], float(sys.argv[1]))[0]:
    print(sys.argv[3], file=sys.stderr, flush=True)
    os.kill(int(sys.argv[2]), signal.SIGTERM)
"""


@contextmanager
def limited(seconds: float, text: str) -> Iterator[None]:
    """If the block takes longer, say `text` and end this process. Watched from a process of its own."""
    command = (sys.executable, "-I", "-S", "-c", WATCH, str(seconds), str(os.getpid()), text)
    watch = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        watch.communicate()
