"""Files that appear whole or not at all."""

from pathlib import Path

from mpitrain.errors import UsageError


def write_whole(option: str, path: Path, text: str) -> None:
    """`UsageError`, naming the option, if there can be no such file."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(text)
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written: {error.strerror}") from None
