"""A checkpoint is one safetensors file: the trainer's arrays, and what they belong to as text. No pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mpitrain.errors import UsageError
from mpitrain.training.run_folder import write_whole


class Checkpoint(NamedTuple):
    """A trainer's `state()`, and the world and model it came from."""

    state: Mapping[str, np.ndarray]
    ranks: int
    parameters: str  # names and shapes, to compare


def write(path: Path, checkpoint: Checkpoint) -> None:
    about = {"ranks": str(checkpoint.ranks), "parameters": checkpoint.parameters}
    arrays = {name: np.ascontiguousarray(array) for name, array in checkpoint.state.items()}
    write_whole(path, save(arrays, about))


def read(path: Path, ranks: int, parameters: str) -> Checkpoint:
    """The checkpoint, if it belongs to this world and model; else `UsageError`."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise UsageError(
            f"--resume: {path}: no such file: the run has not saved its state yet; start it anew"
        ) from None
    except (SafetensorError, OSError) as error:
        raise UsageError(f"--resume: {path}: not a checkpoint ({error}); start the run anew") from None
    found = Checkpoint(state, int(about.get("ranks", 0)), about.get("parameters", ""))
    if found.ranks != ranks:
        raise UsageError(f"--resume: the run had {found.ranks} ranks: expected as many now, found {ranks}")
    if found.parameters != parameters:
        raise UsageError(
            f"--resume: {path}: parameters of another model: expected {parameters}, found {found.parameters}"
        )
    return found


def write_weights(path: Path, named: Mapping[str, np.ndarray]) -> None:
    """The parameters by name, for this and other programs."""
    write_whole(path, save({name: np.ascontiguousarray(array) for name, array in named.items()}))
