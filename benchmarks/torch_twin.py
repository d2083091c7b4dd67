"""A training of ours once more in PyTorch: the same network, values, samples, loss and optimiser.

What makes PyTorch fast is given to it: fused optimisers, fused attention, data that are normalised and dealt
beforehand, gradients set to None instead of to zero, ReLU in place. Which memory format suits a network of convolutions
is the caller's to try.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch_models import GPT

from mpitrain.data import epoch_order, share
from mpitrain.nn import Conv2d, Flatten, Linear, MaxPool2d, ReLU
from mpitrain.training.trainer import Trainer

LAYERS: dict[type, Callable[[Any], nn.Module]] = {
    Conv2d: lambda conv: nn.Conv2d(
        conv.inputs, conv.outputs, conv.window.kernel, conv.window.stride, conv.window.padding
    ),
    MaxPool2d: lambda pool: nn.MaxPool2d(pool.window.kernel, pool.window.stride),
    ReLU: lambda relu: nn.ReLU(inplace=True),
    Flatten: lambda flatten: nn.Flatten(),
    Linear: lambda linear: nn.Linear(linear.inputs, linear.outputs),
}


class TorchTwin:
    """What `ours` does from its start on one of its ranks; `wrap` makes of the network what is trained, such as DDP."""

    def __init__(
        self,
        ours: Trainer,
        memory: torch.memory_format = torch.contiguous_format,
        wrap: Callable[[nn.Module], nn.Module] = lambda network: network,
    ):
        self.ours, self.done = ours, 0
        inputs, targets = ours.dataset.batch(slice(None))
        if ours.dataset.kind == "images":
            self.inputs = torch.from_numpy(inputs.transpose(0, 3, 1, 2)).contiguous(memory_format=memory)
        else:
            self.inputs = torch.from_numpy(inputs)
        self.targets = torch.from_numpy(targets)
        self.shares = shares(ours)
        network = in_torch(ours).to(memory_format=memory)
        self.model = wrap(network)
        self.optimiser = OPTIMISERS[ours.config.recipe.optimiser](network, ours)

    def step(self) -> float:
        """One global batch; the mean loss of this rank's share."""
        mine = self.shares[self.done]
        output = self.model(self.inputs[mine])
        loss = nn.functional.cross_entropy(output.flatten(0, -2), self.targets[mine].flatten())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if self.ours.config.recipe.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.ours.config.recipe.clip, foreach=True)
        for group in self.optimiser.param_groups:
            group["lr"] = self.ours.lr(self.done)
        self.optimiser.step()
        self.done += 1
        return loss.item()


def shares(ours: Trainer) -> list[torch.Tensor]:
    """The samples of this rank in every step."""
    count, seed, world = ours.dataset.count, ours.config.seed, ours.world
    batches = [
        epoch_order(count, seed, epoch)[start : start + ours.global_batch]
        for epoch in range(ours.config.recipe.epochs)
        for start in range(0, count, ours.global_batch)
    ]
    return [torch.from_numpy(batch[np.array(share(len(batch), world.rank, world.size))]) for batch in batches]


def in_torch(ours: Trainer) -> nn.Module:
    """The same network with the same values."""
    values = ours.layout.named(ours.values)
    if ours.config.model == "gpt":
        return gpt(ours, values)
    return layer_by_layer(ours.replica.model.layers, values)


def layer_by_layer(layers: Mapping[str, Any], values: Mapping[str, np.ndarray]) -> nn.Sequential:
    network = nn.Sequential(OrderedDict((name, LAYERS[type(layer)](layer)) for name, layer in layers.items()))
    channels = [layer.outputs for layer in layers.values() if isinstance(layer, Conv2d)]
    own = network.state_dict()
    for name, value in values.items():
        if name == "fc1.weight" and channels:  # ours flattens (pixels, channels), PyTorch (channels, pixels)
            value = value.reshape(-1, channels[-1], value.shape[1]).swapaxes(0, 1).reshape(value.shape)
        own[name].copy_(torch.from_numpy(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T))
    return network


GPT_NAMES = {
    "attention.body.norm": "norm1", "attention.body.attend.qkv": "qkv", "attention.body.attend.out": "out",
    "mlp.body.norm": "norm2", "mlp.body.up": "up", "mlp.body.down": "down",
}  # fmt: skip
NORM_NAMES = {"gain": "weight"}


def gpt(ours: Trainer, values: Mapping[str, np.ndarray]) -> GPT:
    size = ours.config.recipe.gpt_size
    network = GPT(256, size.layers, size.width, size.heads, size.sequence)
    own = network.state_dict()
    for path, value in values.items():
        unit, _, name = path.rpartition(".")
        block, _, rest = unit.partition(".")
        name = NORM_NAMES.get(name, name)
        theirs = f"blocks.{int(block[5:]) - 1}.{GPT_NAMES[rest]}" if block.startswith("block") else unit
        tensor = torch.from_numpy(value)
        turned = value.ndim == 2 and unit not in ("embed", "positions")
        own["positions.weight" if unit == "positions" else f"{theirs}.{name}"].copy_(tensor.T if turned else tensor)
    return network


def _sgd(network: nn.Module, ours: Trainer) -> torch.optim.Optimizer:
    config = ours.config
    return torch.optim.SGD(
        network.parameters(), momentum=config.momentum, weight_decay=config.recipe.weight_decay, fused=True
    )


def _adamw(network: nn.Module, ours: Trainer) -> torch.optim.Optimizer:
    """Only what has two dimensions or more decays, as the recipe says."""
    weights = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    groups = [
        {"params": weights, "weight_decay": ours.config.recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, fused=True)


OPTIMISERS = {"sgd": _sgd, "adamw": _adamw}
