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
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cyclopts
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import distributed, nn

import mpitrain
from mpitrain.cli.bench_step import MEASURED, in_turns, lasting
from mpitrain.cli.json_file import write_json
from mpitrain.data import epoch_order, load, share
from mpitrain.engines.cores import limit_blas_threads
from mpitrain.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential
from mpitrain.optim import linear_decay
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

TORCH: dict[type, Callable[[Any], nn.Module]] = {
    Conv2d: lambda conv: nn.Conv2d(
        conv.inputs, conv.outputs, conv.window.kernel, conv.window.stride, conv.window.padding
    ),
    MaxPool2d: lambda pool: nn.MaxPool2d(pool.window.kernel, pool.window.stride),
    ReLU: lambda relu: nn.ReLU(inplace=True),
    Flatten: lambda flatten: nn.Flatten(),
    Linear: lambda linear: nn.Linear(linear.inputs, linear.outputs),
}


class TorchTrainer:
    """What `ours` does from its start, in PyTorch."""

    def __init__(self, world: World, ours: Trainer, variant: Variant):
        self.ours, self.done = ours, 0
        images = torch.from_numpy(ours.dataset.batch(slice(None))[0].transpose(0, 3, 1, 2))
        self.images = images.contiguous(memory_format=variant.memory)
        self.labels = torch.from_numpy(ours.dataset.train_labels)
        self.shares = shares(world, ours)
        network = in_torch(ours.model, ours.layout.named(ours.values)).to(memory_format=variant.memory)
        self.model = nn.parallel.DistributedDataParallel(
            network, bucket_cap_mb=variant.bucket_mb, gradient_as_bucket_view=True
        )
        config = ours.config
        self.optimiser = torch.optim.SGD(
            network.parameters(), momentum=config.momentum, weight_decay=config.recipe.weight_decay, fused=True
        )

    def step(self) -> float:
        """One global batch; the mean loss of this rank's share."""
        mine = self.shares[self.done]
        loss = nn.functional.cross_entropy(self.model(self.images[mine]), self.labels[mine])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        rate = linear_decay(self.ours.rate, self.done, self.ours.steps, self.ours.warmup_steps)
        self.optimiser.param_groups[0]["lr"] = rate
        self.optimiser.step()
        self.done += 1
        return loss.item()


def shares(world: World, ours: Trainer) -> list[torch.Tensor]:
    """The samples of this rank in every step."""
    count, seed = len(ours.dataset.train_labels), ours.config.seed
    batches = [
        epoch_order(count, seed, epoch)[start : start + ours.global_batch]
        for epoch in range(ours.config.recipe.epochs)
        for start in range(0, count, ours.global_batch)
    ]
    return [torch.from_numpy(batch[np.array(share(len(batch), world.rank, world.size))]) for batch in batches]


def in_torch(model: Sequential, values: dict[str, np.ndarray]) -> nn.Sequential:
    """The same layers under the same names, with these values."""
    network = nn.Sequential(OrderedDict((name, TORCH[type(layer)](layer)) for name, layer in model.layers.items()))
    channels = [layer.outputs for layer in model.layers.values() if isinstance(layer, Conv2d)]
    own = network.state_dict()
    for name, value in values.items():
        if name == "fc1.weight" and channels:  # ours flattens (pixels, channels), PyTorch (channels, pixels)
            value = value.reshape(-1, channels[-1], value.shape[1]).swapaxes(0, 1).reshape(value.shape)
        own[name].copy_(torch.from_numpy(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T))
    return network


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


def check(world: World, ours: Trainer, theirs: dict[str, TorchTrainer]) -> None:
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
            name: TorchTrainer(world, ours, variant)
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
