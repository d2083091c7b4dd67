"""What holds for every optimiser: it steps the vector it was given, and its state goes out and in again."""

import ml_dtypes
import numpy as np
import pytest

from mpitrain.errors import UsageError
from mpitrain.ops import flat
from mpitrain.optim import LAMB, LARS, OPTIMISERS, SGD, Adagrad, Adam, AdamW, Lion, Table
from mpitrain.optim.sgd import SGD as SGD_AS_NAMED

WEIGHTS = [slice(0, 4), slice(6, 6), slice(7, 20)]
ALL = pytest.mark.parametrize("kind", OPTIMISERS.values(), ids=OPTIMISERS)


def start(dtype=np.float32):
    return np.random.default_rng(7).standard_normal(23).astype(dtype)


def slopes(steps, dtype=np.float32):
    return np.random.default_rng(0).standard_normal((steps, 23)).astype(dtype)


def test_each_is_found_by_its_name():
    assert OPTIMISERS["sgd"] is SGD_AS_NAMED
    assert list(OPTIMISERS) == ["sgd", "adam", "adamw", "adagrad", "lars", "lamb", "lion"]
    assert all(kind.__name__.lower() == name for name, kind in OPTIMISERS.items())


@ALL
def test_gradients_are_left_as_they_are(kind):
    optimiser, gradients = kind(start(), weight_decay=0.1, weights=WEIGHTS), slopes(1)[0]
    kept = gradients.copy()
    optimiser.step(gradients, lr=0.1, scale=0.5)
    np.testing.assert_array_equal(gradients, kept)


@ALL
def test_going_on_from_a_saved_state_is_never_having_stopped(kind):
    gradients = slopes(6)
    through, stopped = (kind(start(), weight_decay=1e-2) for _ in range(2))
    for gradient in gradients:
        through.step(gradient, lr=0.1)
    for gradient in gradients[:3]:
        stopped.step(gradient, lr=0.1)
    resumed = kind(stopped.values.copy(), weight_decay=1e-2)
    resumed.load_state({name: array.copy() for name, array in stopped.state().items()})
    for gradient in gradients[3:]:
        resumed.step(gradient, lr=0.1)
    np.testing.assert_array_equal(resumed.values, through.values)
    for name, array in resumed.state().items():
        np.testing.assert_array_equal(array, through.state()[name])


@ALL
def test_a_loaded_state_is_a_copy(kind):
    optimiser = kind(start())
    saved = {name: np.ones_like(array) for name, array in optimiser.state().items()}
    optimiser.load_state(saved)
    optimiser.step(slopes(1)[0], lr=0.1)
    for array in saved.values():
        np.testing.assert_array_equal(array, 1)


@ALL
def test_what_does_not_decay_goes_as_without_decay(kind):
    decaying, plain = kind(start(), weight_decay=0.5, weights=WEIGHTS), kind(start(), weight_decay=0.0, weights=WEIGHTS)
    for gradient in slopes(3):
        decaying.step(gradient, lr=0.1)
        plain.step(gradient, lr=0.1)
    inside = np.zeros(23, bool)
    for part in WEIGHTS:
        inside[part] = True
    np.testing.assert_array_equal(decaying.values[~inside], plain.values[~inside])
    assert (decaying.values[inside] != plain.values[inside]).all()


@ALL
@pytest.mark.parametrize("half", [np.float16, ml_dtypes.bfloat16])
def test_half_gradients_step_masters_and_their_rounded_copy(kind, half):
    """As the same numbers in float32 do, and the copy is the values rounded."""
    wide, masters = kind(start(), weights=WEIGHTS), kind(start(), weights=WEIGHTS)
    copy = np.full(23, 99).astype(half)
    for gradient in slopes(3).astype(half):
        wide.step(gradient.astype(np.float32), lr=0.1, scale=0.25)
        masters.step(gradient, lr=0.1, scale=0.25, copy=copy)
    np.testing.assert_allclose(masters.values, wide.values, rtol=1e-6)
    np.testing.assert_array_equal(copy, masters.values.astype(half))
    assert masters.values.dtype == np.float32


@ALL
@pytest.mark.parametrize("count", [0, 1, 3])
def test_short_vectors(kind, count):
    values = np.ones(count)
    optimiser = kind(values, weight_decay=0.1)
    optimiser.step(np.ones(count), lr=0.1)
    optimiser.step(np.ones(count), lr=0.1)
    assert (values < 1).all()


@ALL
def test_the_tile_does_not_matter(monkeypatch, kind):
    whole, tiled = (kind(start(np.float64), weight_decay=0.1, weights=WEIGHTS) for _ in range(2))
    for gradient in slopes(3, np.float64):
        whole.step(gradient, lr=0.1)
    monkeypatch.setattr(flat, "TILE", 5)
    for gradient in slopes(3, np.float64):
        tiled.step(gradient, lr=0.1)
    np.testing.assert_allclose(tiled.values, whole.values, rtol=1e-14)


@ALL
def test_a_state_of_another_kind_is_refused(kind):
    name = kind.__name__
    optimiser = kind(np.zeros(3))
    own = optimiser.state()
    listed = ", ".join(sorted(own))
    first = next(iter(own))
    for state, line in (
        ({}, f"the saved optimiser state has nothing, expected {listed} of {name}"),
        (own | {"zero": own[first]}, f"the saved optimiser state has {listed}, zero, expected {listed} of {name}"),
        (
            own | {first: np.zeros(4)},
            f"{first} in the saved optimiser state is (4,) float64, expected (3,) float64; "
            "resume with the model that was saved",
        ),
        (
            own | {first: np.zeros(3, np.float32)},
            f"{first} in the saved optimiser state is (3,) float32, expected (3,) float64; "
            "resume with the model that was saved",
        ),
    ):
        with pytest.raises(UsageError) as error:
            optimiser.load_state(state)
        assert str(error.value) == line
    for array in optimiser.state().values():
        np.testing.assert_array_equal(array, 0)


@ALL
def test_a_scale_may_be_an_array_of_one(kind):
    number, array = kind(start()), kind(start())
    for gradient in slopes(2):
        number.step(gradient, lr=0.1, scale=0.25)
        array.step(gradient, lr=0.1, scale=np.float32([0.25]))
    np.testing.assert_array_equal(array.values, number.values)


def test_a_copy_is_of_the_gradients_type():
    with pytest.raises(ValueError) as error:
        SGD(start()).step(slopes(1)[0].astype(np.float16), lr=0.1, copy=np.zeros(23, ml_dtypes.bfloat16))
    assert str(error.value) == "copy must be of the gradients' type, float16, found bfloat16"


def test_rows_are_numbered_by_int64():
    with pytest.raises(ValueError) as error:
        Adagrad(np.zeros(6), tables=[Table(0, 3, 2)]).step(np.zeros(6), lr=0.1, rows=[np.array([1], np.int32)])
    assert str(error.value) == "rows must be int64, found int32"


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "options", "line"),
    [
        (SGD, {"momentum": 1.0}, "momentum must be at least 0 and less than 1, found 1.0"),
        (SGD, {"momentum": -0.1}, "momentum must be at least 0 and less than 1, found -0.1"),
        (SGD, {"momentum": NAN}, "momentum must be at least 0 and less than 1, found nan"),
        (SGD, {"weight_decay": -1e-4}, "weight decay must be at least 0, found -0.0001"),
        (
            SGD,
            {"momentum": 0.0, "nesterov": True},
            "nesterov needs a momentum above 0, found 0.0; set one, or leave nesterov off",
        ),
        (Adam, {"betas": (1.0, 0.9)}, "beta1 must be at least 0 and less than 1, found 1.0"),
        (AdamW, {"betas": (0.9, NAN)}, "beta2 must be at least 0 and less than 1, found nan"),
        (AdamW, {"eps": -1.0}, "eps must be at least 0, found -1.0"),
        (LAMB, {"betas": (0.9, 1.5)}, "beta2 must be at least 0 and less than 1, found 1.5"),
        (LAMB, {"weight_decay": NAN}, "weight decay must be at least 0, found nan"),
        (LARS, {"trust": -1.0}, "trust must be at least 0, found -1.0"),
        (LARS, {"momentum": 1.0}, "momentum must be at least 0 and less than 1, found 1.0"),
        (Lion, {"betas": (-1.0, 0.9)}, "beta1 must be at least 0 and less than 1, found -1.0"),
        (Adagrad, {"initial": -1.0}, "initial must be at least 0, found -1.0"),
        (
            Adagrad,
            {"weight_decay": 0.1, "tables": [Table(0, 3, 1)]},
            "tables stepped by rows cannot decay, found a weight decay of 0.1 on one; leave the tables out of the "
            "weights that decay",
        ),
    ],
)
def test_options_out_of_range_are_refused(kind, options, line):
    with pytest.raises(UsageError) as error:
        kind(np.zeros(3), **options)
    assert str(error.value) == line
