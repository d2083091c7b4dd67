"""Numbers for other programs: what --json FILE writes."""

import json
from pathlib import Path
from typing import Any

from mpitrain.cli.whole_file import write_whole


def write_json(path: Path, content: dict[str, Any]) -> None:
    """The file appears whole or not at all. `UsageError` if there can be no such file."""
    write_whole("--json", path, json.dumps(content, indent=2) + "\n")
