"""The options of `scale`, and whether they can be had."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from mpitrain.cli.schedules import nbytes_of
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.catalogue import ALLREDUCE, find
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.errors import UsageError
from mpitrain.network import Network, read
from mpitrain.training.option_types import Whole

Model = Literal["resnet50", "resnet101", "inception3", "vgg16", "gpt2"]
MOST = 1 << 16
PICTURES = (".svg", ".png", ".pdf")
SEVERAL = Parameter(consume_multiple=(1, None), negative="", show_default=" ".join)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked.

    Parameters
    ----------
    model
        Networks.
    network
        A TOML file, or the name of one that comes with mpitrain. horovod: the machine of Horovod's benchmarks; the
        results are set beside its published figures.
    ranks
        Such as 1..4096, which doubles, or 8 64 512.
    batch
        Samples a rank in each step. Default: 64 images, 8 sequences.
    speed
        Floating-point operations a second that a rank reaches while it trains, such as 5e12. Default: on horovod what
        the published images a second amount to, for those models that have them; else the network's speed.
    samples
        Samples a second that one rank alone trains on, instead of --speed.
    bucket_bytes
        Gradients that go out together, such as 64M.
    cycle
        Seconds after which gradients go out though their bucket is not full, 0.005 in Horovod; 0: never.
    algorithm
        An allreduce's; auto: the cheapest for each bucket, for which some seconds go by where ranks share links.
    plot
        File for a picture of efficiency against ranks: .svg, .png or .pdf.
    json
        File to write all numbers to.
    """

    model: Annotated[tuple[Model, ...], SEVERAL] = ("resnet50", "resnet101", "inception3", "vgg16", "gpt2")
    network: str = "horovod"
    ranks: Annotated[tuple[str, ...], SEVERAL] = ("1..4096",)
    batch: Whole | None = None
    speed: float | None = None
    samples: float | None = None
    bucket_bytes: str = "64M"
    cycle: float = 0.0
    algorithm: str = "ring"
    plot: Annotated[Path | None, Parameter(negative="")] = None
    json: Annotated[Path | None, Parameter(negative="")] = None


@dataclass(frozen=True)
class Asked:
    """The same, understood."""

    models: tuple[str, ...]
    network: Network
    ranks: tuple[int, ...]
    batch: int | None
    speed: float | None
    samples: float | None
    bucket_bytes: int
    cycle: float
    algorithms: dict[str, Algorithm]


def understood(options: Options) -> Asked:
    """`UsageError` for the first that is wrong."""
    network = read(options.network)
    ranks = _ranks(options.ranks, network.topology.ranks or MOST)
    if options.batch is not None and options.batch < 1:
        raise UsageError(f"--batch {options.batch}: expected 1 or more")
    for name, value in (("speed", options.speed), ("samples", options.samples)):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"--{name} {value}: expected a number above 0")
    if options.samples is not None and options.speed is not None:
        raise UsageError("--speed and --samples: expected one of them")
    if options.samples is not None and len(options.model) > 1:
        raise UsageError(f"--samples {options.samples}: expected one --model with it, found {len(options.model)}")
    if not 0 <= options.cycle < float("inf"):
        raise UsageError(f"--cycle {options.cycle}: expected seconds, 0 or more")
    if options.plot is not None and options.plot.suffix not in PICTURES:
        raise UsageError(f"--plot {options.plot}: expected a file of one of the kinds {', '.join(PICTURES)}")
    if options.plot is not None and find_spec("matplotlib") is None:
        raise UsageError('--plot: needs matplotlib: pip install "mpitrain[plot]"')
    return Asked(
        tuple(dict.fromkeys(options.model)), network, ranks, options.batch, options.speed, options.samples,
        _bucket(options.bucket_bytes), options.cycle, _algorithms(options.algorithm),
    )  # fmt: skip


def _ranks(texts: tuple[str, ...], most: int) -> tuple[int, ...]:
    """Ascending, each once. A range doubles from its beginning, and ends with its end."""
    found: set[int] = set()
    for text in (part for several in texts for part in several.split(",")):
        match = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", text)
        if match is None:
            raise UsageError(f"--ranks {text}: expected a number, or a range such as 1..4096")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= most:
            raise UsageError(f"--ranks {text}: expected 1 to {most}")
        found |= {first << doublings for doublings in range((last // first).bit_length())} | {last}
    return tuple(sorted(found))


def _bucket(text: str) -> int:
    try:
        nbytes = nbytes_of(text)
    except UsageError:
        nbytes = 0
    if nbytes < 1:
        raise UsageError(f"--bucket-bytes {text}: expected a number of bytes such as 4096, 64K or 100M")
    return nbytes


def _algorithms(name: str) -> dict[str, Algorithm]:
    """Those to choose among."""
    if name == "auto":
        return dict(ALLREDUCE)
    try:
        algorithm = find("allreduce", name)
    except ScheduleError as error:
        raise UsageError(f"--algorithm {name}: {error}") from None
    if not isinstance(algorithm, Algorithm):
        raise UsageError(f"--algorithm {name}: its steps are the library's own, there is nothing to price")
    return {name: algorithm}
