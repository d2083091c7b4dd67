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
    size
        Of gpt: nano (4 blocks of width 128), small (12 of 768), medium (24 of 1024).
    sequence
        Bytes in a sample of text. Default: that of the size.
    dropout
        Share of numbers that are dropped at the end of each branch (gpt).
    batch_norm
        Over the samples of all ranks (sync), or of each rank alone (local) (resnet20, resnet56, wav).
    data
        Data set: embedded are fashion, topics, vowels and lectures; road is drawn, not filmed; mnist, idx, cifar10,
        cifar100, arrays, safetensors, drive, wav, text, series and ratings are read from --data-dir. Default: the
        model's own.
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
    optimiser
        What moves the parameters.
    lr
        Learning rate, for the batch that the recipe names; scaled to the actual one as the recipe says.
    schedule
        How the learning rate goes on after the warm-up.
    momentum
        Momentum of SGD and LARS.
    nesterov
        Nesterov's momentum.
    weight_decay
        Of weights: an L2 penalty, or decoupled where the optimiser is one that decouples it.
    warmup_steps
        Steps in which the learning rate climbs to its full value, at most half of the run's.
    clip
        Gradients longer than this, all together, are shortened to it.
    average
        Decay of a moving average of the weights, such as 0.999, which is what is evaluated and saved then.
    seed
        Of initial values and of the order of samples.
    device
        cpu; cuda, through CuPy, one GPU a rank; or emulated: the path of a GPU, run on the CPU, to test it.
    precision
        Numbers in the network: fp32, or tf32 (products by tensor cores, on cuda), bf16, fp16 with parameters kept in
        float32.
    graphs
        Record the pass of the network over a batch as a CUDA graph, and launch it as a whole: for networks whose
        kernels are shorter than their launches. Gradients set out after it, not during it.
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

    model: Literal["mlp", "cnn", "resnet20", "resnet56", "gpt", "wav", "dlrm", "drive"] = "mlp"
    hidden: Annotated[tuple[int, ...] | None, Several] = None
    channels: Annotated[tuple[int, ...] | None, Several] = None
    size: Literal["nano", "small", "medium"] | None = None
    sequence: Whole | None = None
    dropout: float | None = None
    batch_norm: Literal["sync", "local"] | None = None
    data: (
        Literal[
            "fashion",
            "topics",
            "vowels",
            "lectures",
            "road",
            "mnist",
            "idx",
            "cifar10",
            "cifar100",
            "arrays",
            "safetensors",
            "drive",
            "wav",
            "text",
            "series",
            "ratings",
        ]
        | None
    ) = None
    data_dir: Path | None = None
    batch: Whole | None = None
    global_batch: Whole | None = None
    microbatches: Whole = 1
    epochs: Whole | None = None
    steps: Whole | None = None
    optimiser: Literal["sgd", "adam", "adamw", "adagrad", "lars", "lamb", "lion"] | None = None
    lr: float | None = None
    schedule: Literal["constant", "step", "linear", "polynomial", "cosine"] | None = None
    momentum: float = 0.9
    nesterov: Annotated[bool, Parameter(negative="")] = False
    weight_decay: float | None = None
    warmup_steps: Whole | None = None
    clip: float | None = None
    average: float = 0.0
    seed: Whole = 0
    device: Literal["cpu", "cuda", "emulated"] = "cpu"
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    graphs: Annotated[bool, Parameter(negative="")] = False
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
