"""LARS, LAMB and Lion, which PyTorch has not, against their papers' formulas, tensor by tensor in float64."""

from itertools import pairwise

import numpy as np
import pytest

from mpitrain import virtual
from mpitrain.ops import flat
from mpitrain.optim import LAMB, LARS, Lion

SIZES = [35, 7, 21, 3, 11, 1]
WEIGHTS = [0, 2, 4]  # the others are biases
ENDS = np.cumsum([0, *SIZES]).tolist()
PARTS = [slice(start, stop) for start, stop in pairwise(ENDS)]


def lars(w, g, state, lr, momentum=0.9, decay=0.0, trust=0.001, adapt=True):
    """You, Gitman and Ginsburg 2017, algorithm 1, lines 3 to 6: the local rate, the momentum, the step."""
    decay = decay if adapt else 0.0
    local = trust * np.linalg.norm(w) / (np.linalg.norm(g) + decay * np.linalg.norm(w)) if adapt else 1.0
    state["v"] = momentum * state.get("v", 0.0) + lr * local * (g + decay * w)
    return w - state["v"]


def lamb(w, g, state, lr, betas=(0.9, 0.999), eps=1e-6, decay=0.01, adapt=True):
    """You et al. 2020, algorithm 2, lines 5 to 11."""
    decay = decay if adapt else 0.0
    state["t"] = state.get("t", 0) + 1
    state["m"] = betas[0] * state.get("m", 0.0) + (1 - betas[0]) * g
    state["v"] = betas[1] * state.get("v", 0.0) + (1 - betas[1]) * g**2
    m, v = state["m"] / (1 - betas[0] ** state["t"]), state["v"] / (1 - betas[1] ** state["t"])
    move = m / (np.sqrt(v) + eps) + decay * w
    ratio = np.linalg.norm(w) / np.linalg.norm(move) if adapt else 1.0
    return w - lr * ratio * move


def lion(w, g, state, lr, betas=(0.9, 0.99), decay=0.0, adapt=True):
    """Chen et al. 2023, algorithm 2."""
    m = state.get("m", np.zeros_like(w))
    state["m"] = betas[1] * m + (1 - betas[1]) * g
    return w - lr * (np.sign(betas[0] * m + (1 - betas[0]) * g) + (decay if adapt else 0.0) * w)


CASES = {
    "lars": (LARS, lars, {}),
    "lars that decays": (LARS, lars, {"momentum": 0.5, "weight_decay": 0.1, "trust": 0.02}),
    "lamb": (LAMB, lamb, {}),
    "lamb that decays": (LAMB, lamb, {"betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.5}),
    "lion": (Lion, lion, {}),
    "lion that decays": (Lion, lion, {"betas": (0.8, 0.95), "weight_decay": 0.5}),
}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 3e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("case", CASES)
def test_twenty_steps(monkeypatch, case, dtype, tolerance):
    monkeypatch.setattr(flat, "TILE", 8)
    ours, formula, options = CASES[case]
    generator = np.random.default_rng(0)
    values = generator.standard_normal(ENDS[-1]).astype(dtype)
    expected = values.astype(np.float64)
    optimiser = ours(values, weights=[PARTS[number] for number in WEIGHTS], **options)
    states = [{} for _ in SIZES]
    renamed = {{"weight_decay": "decay"}.get(name, name): option for name, option in options.items()}
    for step in range(20):
        gradients = generator.standard_normal(len(values)).astype(dtype)
        lr = 0.1 / (1 + step)
        for number, part in enumerate(PARTS):
            slope = gradients[part].astype(np.float64)
            expected[part] = formula(expected[part], slope, states[number], lr, **renamed, adapt=number in WEIGHTS)
        optimiser.step(gradients * 4, lr, scale=0.25)
        np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("ours", [LARS, LAMB])
def test_a_layer_of_zeros_takes_a_plain_step(ours):
    """Its norm is 0, and so would be its rate for ever."""
    values = np.zeros(4)
    ours(values, weights=[slice(0, 4)], weight_decay=0.1).step(np.ones(4), lr=0.1)
    np.testing.assert_allclose(values, -0.1, rtol=1e-5)


@pytest.mark.parametrize("ours", [LARS, LAMB])
def test_the_scale_of_the_gradients_does_not_matter(ours):
    """Which is what both are for."""
    start, gradients = np.random.default_rng(0).standard_normal((2, 12))
    small, large = start.copy(), start.copy()
    ours(small, weight_decay=0.0).step(gradients, lr=0.1)
    ours(large, weight_decay=0.0).step(gradients * 1e4, lr=0.1)
    np.testing.assert_allclose(small, large, rtol=1e-5)


@pytest.mark.parametrize("ours", [LARS, LAMB])
def test_shards_step_as_the_whole_does(ours):
    """Three ranks hold parts of the vector that cut layers; one layer lies on one rank alone."""
    values = np.random.default_rng(0).standard_normal(ENDS[-1])
    gradients = np.random.default_rng(1).standard_normal((3, ENDS[-1]))
    cuts = [slice(0, 20), slice(20, 40), slice(40, ENDS[-1])]

    def train(cut, reduce):
        optimiser = ours(values[cut].copy(), weights=[cut_to(PARTS[n], cut) for n in WEIGHTS], reduce=reduce)
        for gradient in gradients:
            optimiser.step(gradient[cut], lr=0.1, scale=0.5)
        return optimiser.values

    shards = virtual.run(lambda world: train(cuts[world.rank], world.allreduce), ranks=3).results
    np.testing.assert_allclose(np.concatenate(shards), train(slice(0, ENDS[-1]), None), rtol=1e-12)


def cut_to(part, cut):
    """What of a part lies in a cut, counted from where the cut starts."""
    start, stop = (min(max(end, cut.start), cut.stop) - cut.start for end in (part.start, part.stop))
    return slice(start, stop)
