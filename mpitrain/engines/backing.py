"""Files behind shared memory: without a name as soon as every rank has attached, so that none stays behind.

Mapped memory lives until the last rank lets go of it, whether its file still has a name or not. A file that has one
when the ranks are killed stays in /dev/shm until the machine restarts, and job by job the machine's memory fills up.
Windows need no care of ours: Open MPI 5 and MPICH 5 unlink their files before MPI.Win.Allocate_shared returns.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

OF_ALL = re.compile(r"/dev/shm/mpich_shm_[0-9a-f]+_\d+")
"""What MPICH's ranks of one node meet in when they start; it takes the name away only when they end in peace."""

OF_ONE = re.compile(r"/dev/shm/sm_segment\.\S+")
"""What Open MPI's peers find a rank by, so that the name must stay; a process without peers leaves it for ever."""


class Backing(NamedTuple):
    """A file in this process's memory: its path, and the number by which to know it again."""

    path: Path
    inode: int

    def unlink(self) -> None:
        """Take the file's name away, if it is still this file's; for one rank of a node, or for all at once."""
        try:
            if self.path.stat().st_ino == self.inode:
                self.path.unlink()
        except FileNotFoundError:
            pass  # another rank of this node was first


def unlink_startup_segments(size: int) -> None:
    """To be called when all ranks have started: from here on there is no need of the names. `size` is their number."""
    needless = [OF_ALL] if size > 1 else [OF_ALL, OF_ONE]
    for backing in set(_mapped()):
        if any(pattern.fullmatch(str(backing.path)) for pattern in needless):
            backing.unlink()


def _mapped() -> Iterator[Backing]:
    """The files in this process's memory."""
    # A line: address, mode, offset, device, inode, path.
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6 and fields[5].startswith("/"):
            yield Backing(Path(fields[5]), int(fields[4]))
