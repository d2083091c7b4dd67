"""A run's configuration: every option with its default, as on the command line and in TOML."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mpitrain.collectives.catalogue import ALLREDUCE, LIBRARY, find, near
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.models import RECIPES


def _whole(kind: Any, tokens: Sequence[Any]) -> Any:
    """Integers from the command line; the library would round fractions."""
    for token in tokens:
        if not re.fullmatch(r"[+-]?\d+", token.value):
            raise ValueError(f'expected a whole number, found "{token.value}"')
    numbers = tuple(int(token.value) for token in tokens)
    return numbers if kind == tuple[int, ...] else numbers[0]


Whole = Annotated[int, Parameter(converter=_whole)]
"""An integer option."""

Engine = Literal["auto", "mpi", "shared", "solo"]
"""The engine of a world."""

Several = Parameter(
    converter=_whole, consume_multiple=(1, None), negative="", show_default=lambda widths: " ".join(map(str, widths))
)


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options of a training run; None stands for a default that depends on others.

    Parameters
    ----------
    model
        Network: multilayer perceptron or convolutional network.
    hidden
        Widths of the hidden linear layers, such as 1024 1024.
    channels
        Channels of the one or two convolutions (cnn).
    data
        Data set: fashion is embedded; mnist and idx are read from --data-dir.
    data_dir
        Folder of IDX files, gzipped or not (mnist, idx).
    batch
        Samples a rank in each step.
    global_batch
        Samples of all ranks together in each step, instead of --batch; at most all there are.
    epochs
        Passes over the training data; the learning rate falls linearly to 0 over them.
    steps
        Stop after this many steps, on the same decay of the learning rate; --resume goes on from there.
    lr
        Learning rate for a global batch of 256 samples; scaled linearly to the actual one.
        Default: mlp 0.1, cnn 0.08.
    momentum
        Momentum of SGD.
    nesterov
        Nesterov's momentum.
    weight_decay
        L2 penalty. Default: mlp 0.0005, cnn 0.005.
    warmup_steps
        Steps in which the learning rate climbs to its full value, at most half of the run's. Default: mlp 0,
        cnn 40.
    seed
        Of initial values and of the order of samples.
    algorithm
        Allreduce algorithm of the gradients: auto, library (MPI's own), or any that `mpitrain prove allreduce` names,
        such as ring, halving_doubling or direct.
    engine
        How data move: auto, mpi (messages), shared (memory that the ranks of one node share), or solo (one process
        without MPI).
    tuning
        File of `mpitrain tune` by which auto chooses. Default: the one that MPITRAIN_TUNING names, if any.
    explain
        Say first what runs for each bucket of gradients, why, and what would come second.
    bucket_bytes
        Gradients are exchanged in buckets of at least this many bytes, while backward runs.
    virtual
        Train on so many virtual ranks in this one process, without MPI, on a modelled network and clock.
    network
        Network of virtual ranks: a TOML file, or the name of one that comes with mpitrain, such as cluster or ethernet.
        Default: flat.
    trace
        File for what every virtual rank did when, which ui.perfetto.dev opens.
    run_dir
        Folder in which the run's own folder is made, below the working directory unless absolute.
    name
        Name of the run. Default: that of the model.
    stall_warn
        Seconds that a rank waits in one call before a report says who is missing, and where every rank is.
    stall_abort
        Seconds after which such a wait ends the job, with the report. Default: never.
    progress
        Live bar, or one plain line an epoch; auto: live on a terminal.
    """

    model: Literal["mlp", "cnn"] = "mlp"
    hidden: Annotated[tuple[int, ...], Several] = (128,)
    channels: Annotated[tuple[int, ...], Several] = (32, 64)
    data: Literal["fashion", "mnist", "idx"] = "fashion"
    data_dir: Path | None = None
    batch: Whole = 32
    global_batch: Whole | None = None
    epochs: Whole = 10
    steps: Whole | None = None
    lr: float | None = None
    momentum: float = 0.9
    nesterov: Annotated[bool, Parameter(negative="")] = False
    weight_decay: float | None = None
    warmup_steps: Whole | None = None
    seed: Whole = 0
    algorithm: str = "auto"
    engine: Engine = "auto"
    tuning: Annotated[Path | None, Parameter(negative="")] = None
    explain: Annotated[bool, Parameter(negative="")] = False
    bucket_bytes: Whole = 1 << 20
    virtual: Whole | None = None
    network: str | None = None
    trace: Annotated[Path | None, Parameter(negative="")] = None
    run_dir: Path = Path("runs")
    name: str | None = None
    stall_warn: float = 30.0
    stall_abort: float | None = None
    progress: Literal["auto", "live", "plain"] = "auto"

    def completed(self) -> "Config":
        """The same with the model's defaults filled in, checked. `UsageError` names the first value that is wrong."""
        name = self.model if self.name is None else self.name
        config = replace(
            self,
            lr=self.own_lr,
            weight_decay=self.own_weight_decay,
            warmup_steps=self.own_warmup_steps,
            name=name,
            network=None if self.network is None else located(self.network),
        )
        config._check()
        return config

    @property
    def own_lr(self) -> float:
        """`lr`, or the model's."""
        return RECIPES[self.model].learning_rate if self.lr is None else self.lr

    @property
    def own_weight_decay(self) -> float:
        """`weight_decay`, or the model's."""
        return RECIPES[self.model].weight_decay if self.weight_decay is None else self.weight_decay

    @property
    def own_warmup_steps(self) -> int:
        """`warmup_steps`, or the model's."""
        return RECIPES[self.model].warmup_steps if self.warmup_steps is None else self.warmup_steps

    def _check(self) -> None:
        for name in ("batch", "global_batch", "epochs", "steps", "bucket_bytes", "virtual"):
            self._demand(name, "1 or more", lambda value: value is None or value >= 1)
        for name in ("seed", "warmup_steps", "weight_decay"):
            self._demand(name, "0 or more", lambda value: value is None or value >= 0)
        for name in ("hidden", "channels"):
            self._demand(name, "widths of 1 or more", lambda value: all(width >= 1 for width in value))
        self._demand("channels", "one or two convolutions", lambda value: 1 <= len(value) <= 2)
        self._demand("lr", "a number above 0", lambda value: value > 0 and math.isfinite(value))
        for name in ("stall_warn", "stall_abort"):
            self._demand(name, "seconds, more than 0", lambda value: value is None or value > 0)
        self._demand("momentum", "0 or more and less than 1", lambda value: 0 <= value < 1)
        self._demand("weight_decay", "a finite number", math.isfinite)
        if self.nesterov and self.momentum == 0:
            raise UsageError("--nesterov: expected a --momentum above 0 with it, found 0")
        names = ("auto", *ALLREDUCE, LIBRARY)
        expected = f"{near(self.algorithm, ALLREDUCE, 'allreduce')}, {LIBRARY}, or auto"
        self._demand("algorithm", expected, lambda value: value.partition("(")[0] in names)
        if "(" in self.algorithm:
            try:
                find("allreduce", self.algorithm)
            except ScheduleError as error:
                raise UsageError(f"--algorithm {self.algorithm}: {error}") from None
        if self.virtual is None:
            for name in ("network", "trace"):
                self._demand(name, "--virtual with it, and a number of ranks", lambda value: value is None)
        else:
            self._demand("engine", "none with --virtual", lambda value: value == "auto")
            self._demand("algorithm", "one of ours: no MPI library runs virtual ranks", lambda value: value != LIBRARY)
        self._demand("name", "a name without /", lambda value: value not in ("", ".", "..") and "/" not in value)

    def _demand(self, name: str, expected: str, holds: Callable[[Any], bool]) -> None:
        value = getattr(self, name)
        if not holds(value):
            shown = " ".join(map(str, value)) if isinstance(value, tuple) else value
            raise UsageError(f"{option(name)} {shown}: expected {expected}")

    @property
    def mathematics(self) -> str:
        """The options that the numbers of a run depend on, as TOML: alike in a run and in its continuation."""
        others = (
            "steps", "progress", "run-dir", "name", "data-dir", "engine", "tuning", "explain", "stall-warn",
            "stall-abort", "virtual", "network", "trace",
        )  # fmt: skip
        return "".join(f"{line}\n" for line in self.toml().splitlines() if line.split(" = ")[0] not in others)

    def toml(self) -> str:
        """Every option that has a value, one a line, as --config reads them."""
        lines = [f"{option(f.name)[2:]} = {_toml_value(getattr(self, f.name))}" for f in fields(self)]
        return "".join(f"{line}\n" for line in lines if not line.endswith(" = "))


def located(network: str) -> str:
    """The same network from any working directory: a file by its whole path, a name as it is."""
    path = Path(network)
    return str(path.absolute()) if path.exists() else network


def option(name: str) -> str:
    """A field's name on the command line."""
    return "--" + name.replace("_", "-")


def _toml_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Path):
        value = value.absolute()  # to run again from anywhere
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
