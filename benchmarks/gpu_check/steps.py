"""Seconds of a training step beside PyTorch's on the same device, if it is there.

gpt-small computes in bfloat16 with float32 masters, PyTorch under autocast; resnet20 in float32 on both sides, without
TF32. PyTorch has its fused optimisers and fused attention; it is not compiled, which would take longer than all else.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from parity import dtype_of
from row import FAILED, SKIPPED, Row
from timing import seconds_per_call
from training import Training

from mpitrain.device import Device
from mpitrain.models.gpt import gpt
from mpitrain.models.recipe import SIZES, Size
from mpitrain.models.resnet import resnet
from mpitrain.ops.adamw import adamw_step
from mpitrain.ops.sgd import sgd_step

GPT = {"cuda": (SIZES["small"], 8), "emulated": (Size(layers=1, width=16, heads=2, sequence=8), 2)}
RESNET = {"cuda": (20, (128, 32, 32, 3)), "emulated": (8, (4, 8, 8, 3))}  # depth, shape of a batch
CLASSES = 10


class Rival(NamedTuple):
    """`ours(device)` gives a training; `theirs()` gives a step of PyTorch's."""

    name: str
    ours: Callable[[Device], Training]
    theirs: Callable[[], Callable[[], Any]]


def rows(device: Device) -> Iterator[Row]:
    """Our step, and its ratio to PyTorch's."""
    for rival in RIVALS:
        try:
            training = rival.ours(device)
            first = float(training.step()) / training.targets.size
            for _ in range(3):
                last = float(training.step()) / training.targets.size
        except Exception as error:
            yield Row("step", rival.name, f"{type(error).__name__}: {str(error).splitlines()[0][:160]}", FAILED)
            continue
        if not last < first:
            yield Row("step", rival.name, f"the loss goes from {first:.3f} to {last:.3f}", FAILED)
            continue
        if device.name != "cuda":
            yield Row("step", rival.name, f"loss {first:.3f}, then {last:.3f}")
            continue
        seconds = seconds_per_call(device.xp.cuda, training.step)
        del training
        device.xp.get_default_memory_pool().free_all_blocks()
        yield Row("step", rival.name, f"{seconds * 1e3:.2f} ms")
        yield _beside(rival, seconds)


def _beside(rival: Rival, seconds: float) -> Row:
    name = f"{rival.name}, PyTorch"
    try:
        import torch
    except ImportError:
        return Row("step", name, "not there", SKIPPED)
    if not torch.cuda.is_available():
        return Row("step", name, f"{torch.__version__} sees no GPU", SKIPPED)
    theirs = seconds_per_call(_TorchCuda(), rival.theirs())
    return Row("step", name, f"{theirs * 1e3:.2f} ms with {torch.__version__}: ours takes {seconds / theirs:.2f} of it")


class _TorchCuda:
    """PyTorch's events in CuPy's words."""

    def Event(self) -> Any:
        import torch

        return torch.cuda.Event(enable_timing=True)

    def get_elapsed_time(self, start: Any, end: Any) -> float:
        return float(start.elapsed_time(end))


def _our_gpt(device: Device) -> Training:
    size, batch = GPT[device.name]
    ids = np.random.default_rng(0).integers(0, 256, (batch, size.sequence + 1))
    dtype = dtype_of("bfloat16")
    return Training(device, gpt(size), np.float32 if dtype is None else dtype, _adamw(device), ids[:, :-1], ids[:, 1:])


def _adamw(device: Device) -> Callable[..., Any]:
    def optimiser(values: Any, copy: Any) -> Any:
        mean, square, done = device.xp.zeros_like(values), device.xp.zeros_like(values), iter(range(1, 1 << 30))
        return lambda gradients, lr: adamw_step(
            values, gradients, mean, square, next(done), lr, weight_decay=0.1, copy=copy
        )

    return optimiser


def _their_gpt() -> Callable[[], Any]:
    import torch
    from torch_models import GPT as Network

    size, batch = GPT["cuda"]
    network = Network(256, size.layers, size.width, size.heads, size.sequence).cuda()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    ids = torch.randint(0, 256, (batch, size.sequence + 1), device="cuda")
    return partial(_torch_step, network, optimiser, ids[:, :-1], ids[:, 1:], True)


def _our_resnet(device: Device) -> Training:
    depth, shape = RESNET[device.name]
    generator = np.random.default_rng(0)
    images, labels = generator.standard_normal(shape).astype(np.float32), generator.integers(0, CLASSES, shape[0])
    return Training(device, resnet(depth, shape[1:], CLASSES), np.float32, _sgd(device), images, labels)


def _sgd(device: Device) -> Callable[..., Any]:
    def optimiser(values: Any, copy: Any) -> Any:
        velocity = device.xp.zeros_like(values)
        return lambda gradients, lr: sgd_step(values, gradients, velocity, 10 * lr, 0.9, 1e-4)

    return optimiser


def _their_resnet() -> Callable[[], Any]:
    import torch
    from torch_models import ResNet

    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
    depth, (batch, height, width, colours) = RESNET["cuda"]
    network = ResNet(depth, colours, CLASSES).cuda().to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, fused=True)
    images = torch.randn(batch, colours, height, width, device="cuda").contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, CLASSES, (batch,), device="cuda")
    return partial(_torch_step, network, optimiser, images, labels, False)


def _torch_step(network: Any, optimiser: Any, inputs: Any, targets: Any, half: bool) -> None:
    import torch

    with torch.autocast("cuda", torch.bfloat16, enabled=half):
        output = network(inputs)
        loss = torch.nn.functional.cross_entropy(output.flatten(0, -2), targets.flatten())
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


RIVALS = (
    Rival("gpt-small, 8 x 1024 bytes, bf16", _our_gpt, _their_gpt),
    Rival("resnet20, 128 images, fp32", _our_resnet, _their_resnet),
)
