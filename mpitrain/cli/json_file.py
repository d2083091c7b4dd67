"""Numbers for other programs: what --json FILE writes."""

import json
from pathlib import Path
from typing import Any

from mpitrain.errors import UsageError


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The file appears whole or not at all. `UsageError` if there can be no such file."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(json.dumps(content, indent=2) + "\n")
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"--json {path}: cannot be written: {error.strerror}") from None
