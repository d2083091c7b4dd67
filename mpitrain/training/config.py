"""A run's configuration: every option with its default, as on the command line and in TOML."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mpitrain.models import MODELS, Recipe
from mpitrain.training import config_toml
from mpitrain.training.config_checks import check
from mpitrain.training.option_types import Engine, Several, Whole


@dataclass(frozen=True, kw_only=True)
class Config:
    """Options of a training run; None stands for a default that depends on others.

    Parameters
    ----------
    model
        Network; `mpitrain models` lists them with their recipes: the defaults of the options below that have none here.
    hidden
        Widths of the hidden linear layers, such as 1024 1024 (mlp, cnn).
    channels
        Channels of the one or two convolutions (cnn).
    data
        Data set. Default: the model's own, which is embedded. Others are read from --data-dir.
    data_dir
        Folder or file of the data.
    batch
        Samples a rank in each step.
    global_batch
        Samples of all ranks together in each step, instead of --batch; at most all there are.
    microbatches
        Parts of a rank's samples that go through the network one after the other; their gradients are summed.
    epochs
        Passes over the training data, at the end of which the learning rate has run its schedule.
    steps
        Stop after this many steps, on the same schedule of the learning rate; --resume goes on from there.
    lr
        Learning rate, for the batch that the recipe names.
    momentum
        Momentum of SGD.
    nesterov
        Nesterov's momentum.
    weight_decay
        Of weights: an L2 penalty, or decoupled where the optimiser is one that decouples it.
    warmup_steps
        Steps in which the learning rate climbs to its full value, at most half of the run's.
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
    hidden: Annotated[tuple[int, ...] | None, Several] = None
    channels: Annotated[tuple[int, ...] | None, Several] = None
    data: Literal["fashion", "mnist", "idx"] | None = None
    data_dir: Path | None = None
    batch: Whole | None = None
    global_batch: Whole | None = None
    microbatches: Whole = 1
    epochs: Whole | None = None
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

    @property
    def recipe(self) -> Recipe:
        """That of the model, with what is given here in its place."""
        recipe = MODELS[self.model].recipe
        given = {name: getattr(self, name) for name in RECIPE_OPTIONS if getattr(self, name) is not None}
        if "batch" in given and "global_batch" not in given:
            given["global_batch"] = None  # so many samples a rank, in the place of the recipe's for all of them
        return replace(recipe, **given)

    def completed(self) -> "Config":
        """The same with the model's recipe filled in, checked. `UsageError` names the first value that is wrong."""
        recipe = self.recipe
        config = replace(
            self,
            **{name: getattr(recipe, name) for name in RECIPE_OPTIONS},
            name=self.model if self.name is None else self.name,
            network=None if self.network is None else located(self.network),
        )
        check(config)
        return config

    @property
    def mathematics(self) -> str:
        """The options that the numbers of a run depend on, as TOML: alike in a run and in its continuation."""
        return config_toml.mathematics(self)

    def toml(self) -> str:
        """Every option that has a value, one a line, as --config reads them."""
        return config_toml.toml(self)


RECIPE_OPTIONS = {field.name for field in fields(Recipe)} & {field.name for field in fields(Config)}


def located(network: str) -> str:
    """The same network from any working directory: a file by its whole path, a name as it is."""
    path = Path(network)
    return str(path.absolute()) if path.exists() else network
