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
    """A trainer's `state()`, and what it belongs to: numbers go on bit by bit only where all of this is the same."""

    state: Mapping[str, np.ndarray]
    ranks: int
    blas_threads: int
    configuration: str  # `Config.mathematics`


def write(path: Path, checkpoint: Checkpoint) -> None:
    about = {field: str(getattr(checkpoint, field)) for field in Checkpoint._fields[1:]}
    arrays = {name: np.asarray(array, order="C") for name, array in checkpoint.state.items()}
    write_whole(path, save(arrays, about))


def read(path: Path, ranks: int, configuration: str) -> Checkpoint:
    """The checkpoint, if it belongs to this number of ranks and configuration; else `UsageError`."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise UsageError(f"--resume: {path}: no such file: the run saved no state yet; start it anew") from None
    except (SafetensorError, OSError) as error:
        raise UsageError(f"--resume: {path}: not a checkpoint ({error}); start the run anew") from None
    if about.keys() != set(Checkpoint._fields[1:]):
        raise UsageError(f"--resume: {path}: not a checkpoint of mpitrain; start the run anew")
    found = Checkpoint(state, int(about["ranks"]), int(about["blas_threads"]), about["configuration"])
    if found.ranks != ranks:
        raise UsageError(f"--resume: the run had {found.ranks} ranks: expected as many now, found {ranks}")
    for was, now in zip(found.configuration.splitlines(), configuration.splitlines(), strict=False):
        if was != now:
            raise UsageError(f"--resume: config.toml was changed since: expected {was}, found {now}")
    return found


def write_weights(path: Path, named: Mapping[str, np.ndarray]) -> None:
    """The parameters by name, for this and other programs."""
    write_whole(path, save({name: np.asarray(array, order="C") for name, array in named.items()}))
