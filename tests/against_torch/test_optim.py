"""Optimisers, clipping, schedules, the averaged weights and the loss scale against PyTorch's."""

from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mpitrain import optim  # noqa: E402
from mpitrain.ops import flat  # noqa: E402
from mpitrain.optim import schedule  # noqa: E402
from mpitrain.optim.loss_scale import LossScale  # noqa: E402

SHAPES = [(7, 5), (7,), (3, 7), (3,), (11, 1), (1,)]  # weights, which decay, and biases, which do not
STEPS = 20
TOLERANCE = {"float32": {"rtol": 3e-6, "atol": 1e-7}, "float64": {"rtol": 1e-12, "atol": 1e-13}}

CASES = {
    "sgd": (optim.SGD, torch.optim.SGD, {"momentum": 0.0}, {}),
    "sgd with momentum": (optim.SGD, torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, {}),
    "sgd of nesterov": (optim.SGD, torch.optim.SGD, {"momentum": 0.8, "nesterov": True, "weight_decay": 0.01}, {}),
    "adam": (optim.Adam, torch.optim.Adam, {}, {}),
    "adam with L2": (optim.Adam, torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3}, {}),
    "adamw": (optim.AdamW, torch.optim.AdamW, {}, {}),
    "adamw that decays": (optim.AdamW, torch.optim.AdamW, {"betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.5}, {}),
    "adagrad": (optim.Adagrad, torch.optim.Adagrad, {}, {}),
    "adagrad with L2": (
        optim.Adagrad,
        torch.optim.Adagrad,
        {"eps": 1e-3, "weight_decay": 0.1},
        {"initial": ("initial_accumulator_value", 0.5)},
    ),
}


def parts(shapes):
    """Of a flat vector, a slice for each shape."""
    ends = np.cumsum([0, *(int(np.prod(shape)) for shape in shapes)]).tolist()
    return [slice(start, stop) for start, stop in pairwise(ends)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps(monkeypatch, case, dtype):
    """With a rate that changes and a scale, on tiles that end within parameters."""
    monkeypatch.setattr(flat, "TILE", 16)
    ours, theirs, options, renamed = CASES[case]
    slices = parts(SHAPES)
    generator = np.random.default_rng(0)
    values = generator.standard_normal(slices[-1].stop).astype(dtype)
    parameters = [
        torch.tensor(values[at].reshape(shape), requires_grad=True) for at, shape in zip(slices, SHAPES, strict=True)
    ]
    decay = options.get("weight_decay", 0.01 if theirs is torch.optim.AdamW else 0.0)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    reference = theirs(groups, lr=0.1, **options, **dict(renamed.values()))
    weights = [at for at, shape in zip(slices, SHAPES, strict=True) if len(shape) > 1]
    own = {name: value for name, (_, value) in renamed.items()}
    optimiser = ours(values, weights=weights, **options, **own)
    for step in range(STEPS):
        gradients = generator.standard_normal(len(values)).astype(dtype)
        lr = 0.1 / (1 + step)
        for parameter, at in zip(parameters, slices, strict=True):
            parameter.grad = torch.tensor(gradients[at].reshape(parameter.shape))
        for group in reference.param_groups:
            group["lr"] = lr
        reference.step()
        optimiser.step(gradients * 8, lr, scale=0.125)
        expected = np.concatenate([parameter.detach().numpy().ravel() for parameter in parameters])
        np.testing.assert_allclose(values, expected, **TOLERANCE[dtype])


@pytest.mark.parametrize("limit", [1e-3, 1.0, 1e4])
def test_clipping(limit):
    gradients = np.random.default_rng(0).standard_normal(1003).astype(np.float32)
    parameters = [torch.zeros(500), torch.zeros(503)]
    parameters[0].grad, parameters[1].grad = torch.tensor(gradients[:500]), torch.tensor(gradients[500:])
    norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
    clipped = optim.clip_norm(gradients, limit)
    assert clipped.norm == pytest.approx(norm.item(), rel=1e-6)
    expected = torch.cat([parameter.grad for parameter in parameters]).numpy()
    np.testing.assert_allclose(gradients * np.float32(clipped.scale), expected, rtol=1e-6)


def test_average():
    module = torch.nn.Linear(5, 3)
    averaged = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    averaged.update_parameters(module)  # the first update of theirs copies
    values = module.weight.detach().numpy().ravel().copy()
    ours = optim.Average(values, 0.9)
    for _ in range(20):
        with torch.no_grad():
            module.weight += torch.randn(3, 5)
        values[...] = module.weight.detach().numpy().ravel()
        averaged.update_parameters(module)
        ours.update()
        expected = averaged.module.weight.detach().numpy().ravel()
        np.testing.assert_allclose(ours.average, expected, rtol=1e-5, atol=1e-6)


SCHEDULERS = {
    "constant": (lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0), {}),
    "step": (lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1), {}),
    "linear": (lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 1e-300, 40), {}),
    "polynomial": (lambda o: torch.optim.lr_scheduler.PolynomialLR(o, 40, 3.0), {"power": 3.0}),
    "cosine": (lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40, 0.25), {"last": 0.125}),
}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("name", schedule.SCHEDULES)
def test_schedules(name):
    make, options = SCHEDULERS[name]
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=2.0)
    scheduler = make(optimiser)
    for step in range(40):
        ours = schedule.SCHEDULES[name](2.0, step, 40, **options)
        assert ours == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)
        scheduler.step()


def test_loss_scale():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    optimiser = torch.optim.SGD([parameter := torch.zeros(1, requires_grad=True)], lr=0.0)
    ours = LossScale(1024.0, interval=3)
    for finite in [True, True, False, True, True, True, True, False, False, True, True, True, True, True, True]:
        loss = (parameter * (1.0 if finite else float("inf"))).sum()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad()
        ours = ours.after(finite)
        assert ours.scale == scaler.get_scale()
