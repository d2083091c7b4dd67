"""Watching processes from outside."""

import time
from pathlib import Path


def wait_until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def alive(pid):
    """Whether the process runs; one that has ended may wait long for whoever inherited it to read its exit code."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def shared_files(pid):
    """The files in /dev/shm that a process has in its memory, those without a name any more included."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split(None, 5)[5].removesuffix(" (deleted)") for line in lines if "/dev/shm/" in line}
