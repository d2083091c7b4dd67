"""A step of training beside PyTorch's DistributedDataParallel (DDP), in one job and in turns.

    mpirun -n 2 python benchmarks/versus_ddp.py --model mlp

Both sides start from the same values and do the same mathematics on the same samples: the same network, SGD with
momentum and weight decay, sums over ranks. That is checked first, by their losses. DDP runs over gloo with one thread
a rank, as our BLAS does, and gets what makes it fast: gradients that are views of its buckets, the fused optimiser,
images normalised beforehand and dealt beforehand, and of several variants the fastest counts. Medians, on the rank
where they are largest; a ratio above 1 says how many times faster ours is.

PyTorch comes with the extra `[test-torch]`. Its usual wheel brings gigabytes of CUDA along; one for processors alone:

    pip install torch --index-url https://download.pytorch.org/whl/cpu
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Literal, NamedTuple

import cyclopts
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import distributed, nn
from torch_twin import TorchTwin

import mpitrain
from mpitrain.cli.bench_step import MEASURED, in_turns, lasting
from mpitrain.cli.json_file import write_json
from mpitrain.data import load
from mpitrain.engines.cores import limit_blas_threads
from mpitrain.training.option_types import Engine, Whole
from mpitrain.training.trainer import Trainer
from mpitrain.world import World

CHECKED_STEPS = 5
TOLERANCE = 1e-3  # of a loss: float32 sums in another order, over a few steps


class Variant(NamedTuple):
    bucket_mb: int
    memory: torch.memory_format


VARIANTS = {
    "DDP": Variant(25, torch.contiguous_format),  # its defaults
    "DDP, 1 MB buckets": Variant(1, torch.contiguous_format),
    "DDP, channels last": Variant(1, torch.channels_last),
}


class DDPTrainer(TorchTwin):
    """What `ours` does from its start, in PyTorch, on all ranks."""

    def __init__(self, ours: Trainer, variant: Variant):
        def wrap(network: nn.Module) -> nn.Module:
            return nn.parallel.DistributedDataParallel(
                network, bucket_cap_mb=variant.bucket_mb, gradient_as_bucket_view=True
            )

        super().__init__(ours, variant.memory, wrap)


def join(world: World) -> None:
    """Make the ranks of this host known to each other as PyTorch's, too, with one thread each."""
    torch.set_num_threads(1)
    limit_blas_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    here, first = "127.0.0.1", world.rank == 0
    store = distributed.TCPStore(here, 0, world.size, is_master=True, wait_for_workers=False) if first else None
    port = int(world.bcast(np.array([store.port if store else 0]))[0])
    store = store or distributed.TCPStore(here, port, world.size, is_master=False)
    ends_the_job = sys.excepthook
    distributed.init_process_group("gloo", store=store, rank=world.rank, world_size=world.size)
    sys.excepthook = ends_the_job  # PyTorch's holds back what ours says, and would come too late to let it out


def check(world: World, ours: Trainer, theirs: dict[str, DDPTrainer]) -> None:
    """Raise ArithmeticError, on all ranks, if the losses of the first steps differ."""
    for number in range(1, CHECKED_STEPS + 1):
        expected = ours.step().loss
        for name, trainer in theirs.items():
            found = float(world.allreduce(np.array([trainer.step()]), "mean")[0])
            if not abs(found - expected) <= TOLERANCE * expected:
                raise ArithmeticError(f"step {number}: {name} has a loss of {found}, expected ours, {expected}")


def main(
    *,
    model: Literal["mlp", "cnn"] = "mlp",
    steps: Whole = 200,
    algorithm: str = "auto",
    engine: Engine = "auto",
    json: Path | None = None,
) -> None:
    """Measure, and print a table."""
    warnings.filterwarnings("ignore", "Grad strides do not match")  # of a filter with one channel, channels last
    options = lasting(MEASURED[model], CHECKED_STEPS + steps, algorithm=algorithm, engine=engine)
    with mpitrain.init(engine) as world:
        join(world)
        ours = Trainer(world, options, load(options.recipe.data))
        theirs = {
            name: DDPTrainer(ours, variant)
            for name, variant in VARIANTS.items()
            if model == "cnn" or variant.memory != torch.channels_last
        }
        check(world, ours, theirs)
        seconds = in_turns(world, steps, {name: side.step for name, side in ({"mpitrain": ours} | theirs).items()})
        distributed.destroy_process_group()
        if world.rank == 0:
            show(f"a step of {model}, {options.batch} images a rank, {world.size} ranks", seconds)
        if world.rank == 0 and json is not None:
            ratio = min(seconds[name] for name in theirs) / seconds["mpitrain"]
            write_json(json, {
                "model": model, "ranks": world.size, "batch": options.batch, "torch": torch.__version__,
                "algorithm": ours.strategy.algorithms, "engine": world.engine, "seconds": seconds, "ratio": ratio,
            })  # fmt: skip


def show(title: str, seconds: dict[str, float]) -> None:
    table = Table("", "ms", "/ mpitrain", title=title, title_justify="left")
    for name, value in seconds.items():
        table.add_row(name, f"{1e3 * value:.2f}", f"{value / seconds['mpitrain']:.2f}")
    Console().print(table)


if __name__ == "__main__":
    cyclopts.run(main)
