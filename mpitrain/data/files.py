"""Files as a whole, and what may be wrong with them before anyone looks inside: one line each."""

import gzip
import zlib
from pathlib import Path

from mpitrain.errors import UsageError

GZIP_MAGIC = b"\x1f\x8b"


def check_folder(folder: Path, content: str) -> None:
    """UsageError unless there is such a folder. `content`: of what, for the message, in the plural."""
    try:
        there = folder.exists()
    except OSError as fault:
        raise UsageError(f"{folder}: cannot be read ({fault.strerror}), expected a folder of {content}") from None
    if not there:
        raise UsageError(f"{folder}: no such folder, expected one of {content}; check --data-dir")
    if not folder.is_dir():
        raise UsageError(f"{folder}: not a folder, expected one of {content}; check --data-dir")


def read(path: Path, expected: str) -> bytes:
    """What the file holds, unpacked if it is gzipped: seen from its first bytes, not from its name.

    `expected`: what it should be, for the message, such as "an IDX file".
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise unreadable(path, fault, expected) from None
    if not content.startswith(GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as fault:
        raise UsageError(f"{path}: broken gzip ({fault}); fetch it again") from None


def size(path: Path, expected: str) -> int:
    """Bytes of a file that can be opened."""
    try:
        with path.open("rb") as file:
            return file.seek(0, 2)
    except OSError as fault:
        raise unreadable(path, fault, expected) from None


def unreadable(path: Path, fault: OSError, expected: str) -> UsageError:
    """The line for a file that the system does not give."""
    if isinstance(fault, FileNotFoundError):
        return UsageError(f"{path}: no such file, expected {expected}")
    if isinstance(fault, IsADirectoryError):
        return UsageError(f"{path}: a folder, expected {expected}")
    return UsageError(f"{path}: cannot be read ({fault.strerror}), expected {expected}")
