"""The slot table: order, views, starts drawn by name."""

import os
import subprocess
import sys

import numpy as np
import pytest

from mpitrain.nn import Call, Layout, Linear, ReLU, Sequential, Slot
from mpitrain.nn.initialise import he_normal


def network(**more):
    return Sequential(fc1=Linear(3, 2), relu=ReLU(), fc2=Linear(2, 4), **more)


def test_slots_in_the_order_in_which_backward_finishes():
    layout = Layout.of(network())
    assert layout.slots == (
        Slot("fc2.weight", 0, (2, 4), "fc2", "replicated"),
        Slot("fc2.bias", 8, (4,), "fc2", "replicated"),
        Slot("fc1.weight", 12, (3, 2), "fc1", "replicated"),
        Slot("fc1.bias", 18, (2,), "fc1", "replicated"),
    )
    assert layout.count == 20
    assert list(layout.units.items()) == [("fc2", slice(0, 12)), ("fc1", slice(12, 20))]


def test_a_model_without_parameters():
    layout = Layout.of(Sequential(relu=ReLU()))
    assert (layout.slots, layout.count, layout.units, layout.named(np.zeros(0))) == ((), 0, {}, {})


def test_layers_work_on_the_vectors_themselves():
    model, values, gradients = network(), np.zeros(20), np.zeros(20)
    layout = Layout.of(model)
    layout.bind(model, values, gradients)
    y, context = model.forward(np.ones((1, 3)), Call(True))
    assert not y.any()
    values[:] = 1
    y, context = model.forward(np.ones((1, 3)), Call(True))
    np.testing.assert_array_equal(y, [[9, 9, 9, 9]])
    model.backward(context, np.ones((1, 4)))
    np.testing.assert_array_equal(gradients[layout.units["fc1"]], 4)


def test_named_views():
    vector = np.arange(20)
    views = Layout.of(network()).named(vector)
    assert list(views) == ["fc2.weight", "fc2.bias", "fc1.weight", "fc1.bias"]
    np.testing.assert_array_equal(views["fc1.weight"], [[12, 13], [14, 15], [16, 17]])
    views["fc1.bias"][:] = -1
    assert vector[18] == vector[19] == -1


def test_vectors_that_do_not_match_are_refused():
    layout = Layout.of(network())
    with pytest.raises(ValueError) as error:
        layout.named(np.zeros(21))
    assert str(error.value) == "a vector of this layout has shape (20,), found (21,)"
    with pytest.raises(ValueError) as error:
        layout.bind(network(), np.zeros(20), np.zeros(20, np.float32))
    assert str(error.value) == "values are float64 but gradients float32; both must be alike"


def started(model, seed, dtype=np.float64):
    layout = Layout.of(model)
    vector = np.full(layout.count, np.nan, dtype)
    layout.initialise(vector, seed)
    return layout.named(vector)


def test_starts_are_drawn_by_seed_and_name():
    starts = started(network(), seed=0)
    assert not np.array_equal(starts["fc2.weight"], started(network(), seed=1)["fc2.weight"])
    twins = started(Sequential(a=Linear(3, 3), b=Linear(3, 3)), seed=0)
    assert not np.array_equal(twins["a.weight"], twins["b.weight"])
    grown = started(network(fc3=Linear(4, 4)), seed=0)
    for name, start in starts.items():
        np.testing.assert_array_equal(grown[name], start)


def test_starts_are_the_same_in_every_process():
    """Whatever Python's own hash, which every process salts anew, makes of a name."""
    program = """
import numpy, mpitrain.nn
layout = mpitrain.nn.Layout.of(mpitrain.nn.Linear(3, 2))
vector = numpy.zeros(8)
layout.initialise(vector, seed=0)
print(vector.tobytes().hex())
"""
    starts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": salt},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(starts) == 1


def test_float32_starts_are_the_rounded_float64_ones():
    exact, rounded = started(network(), 0), started(network(), 0, np.float32)
    for name, start in rounded.items():
        np.testing.assert_array_equal(start, exact[name].astype(np.float32))


def test_he_normal_has_variance_two_over_the_inputs_of_an_output():
    draw = he_normal(np.random.default_rng(0), (3, 3, 20, 500))
    assert draw.var() == pytest.approx(2 / 180, rel=0.02)
    assert draw.mean() == pytest.approx(0, abs=0.002)


def test_biases_start_at_zero():
    assert not started(network(), 0)["fc1.bias"].any()
