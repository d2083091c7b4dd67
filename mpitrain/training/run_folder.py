"""A run's folder: what is written where, by rank 0 alone.

    runs/20261123-152117-mlp/
        config.toml           complete: `--config` of it runs the same again
        metrics.jsonl         a line a step and a line an epoch, each flushed
        weights.safetensors   the parameters by name
        state/                what --resume goes on from
        summary.json          the run in numbers
        curves.svg            with the extra [plot]

Files appear whole or not at all: they are written under another name and then renamed.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any, TextIO

from mpitrain.errors import UsageError
from mpitrain.training.config import Config


class RunFolder:
    def __init__(self, path: Path):
        self.path = path
        self._metrics: TextIO | None = None
        self._lock: int | None = None  # the folder itself, open

    @classmethod
    def create(cls, config: Config) -> "RunFolder":
        """A new folder named by time and name. `UsageError` if it cannot be made."""
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{config.name}"
        number = 1
        while True:
            path = config.run_dir / (stem if number == 1 else f"{stem}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError as error:
                if not path.is_dir():
                    raise UsageError(
                        f"--run-dir {config.run_dir}: {error.filename} is a file: expected a folder"
                    ) from None
                number += 1
                continue
            except OSError as error:
                raise UsageError(
                    f"--run-dir {config.run_dir}: cannot make {path}: {error.strerror}; name a folder you may write to"
                ) from None
            folder = cls(path)
            folder.lock()
            folder.write_config(config)
            return folder

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def checkpoint(self) -> Path:
        return self.path / "state" / "checkpoint.safetensors"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def curves(self) -> Path:
        return self.path / "curves.svg"

    def log(self, line: dict[str, Any]) -> None:
        """Append to metrics.jsonl, and flush."""
        try:
            if self._metrics is None:
                self._metrics = self.metrics.open("a")
            self._metrics.write(json.dumps(line, allow_nan=False) + "\n")
            self._metrics.flush()
        except OSError as error:
            raise UsageError(f"cannot write {self.metrics}: {error.strerror}; make room, then --resume") from None

    def forget_after(self, step: int) -> None:
        """Drop the metrics of later steps, which a resumed run will write again."""
        if self.metrics.exists():
            lines = self.metrics.read_text().splitlines()
            kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
            write_whole(self.metrics, "".join(line + "\n" for line in kept).encode())

    def lock(self) -> None:
        """Keep other processes out until `close`. `UsageError` if one is in."""
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise UsageError(f"--resume: {self.path} is still running: wait for its end, or end it first") from None
        except OSError:
            pass  # a file system without locks, as on some clusters: nothing to hold on to

    def write_config(self, config: Config) -> None:
        write_whole(self.config, config.toml().encode())

    def close(self) -> None:
        """Let go of the folder; a second call does nothing."""
        if self._metrics is not None:
            self._metrics.close()
        if self._lock is not None:
            os.close(self._lock)
        self._metrics = self._lock = None

    def read_metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.metrics.read_text().splitlines()]

    def write_summary(self, summary: dict[str, Any]) -> None:
        write_whole(self.summary, (json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())


def write_whole(path: Path, content: bytes) -> None:
    """Put a file there at once: a reader finds the old one or the new one, never a part. `UsageError` if it cannot."""
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(exist_ok=True)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}; make room, or use another --run-dir"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)  # there only if something went wrong, Ctrl-C included
