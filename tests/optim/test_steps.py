"""First steps and long walks whose end a formula tells."""

import numpy as np
import pytest

from mpitrain.ops import flat
from mpitrain.optim import SGD, Adagrad, Adam, AdamW, Lion, Table


def test_sgd_steps_down_the_gradient():
    values = np.ones(3, np.float32)
    SGD(values, momentum=0.0).step(np.full(3, 2, np.float32), lr=0.25)
    np.testing.assert_array_equal(values, 0.5)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_the_first_step_of_adam_is_as_long_as_the_rate(kind):
    """Both moments are corrected to the gradient and its square, whatever its size."""
    values = np.zeros(3)
    kind(values, eps=0.0).step(np.array([1e-6, -3.0, 1e6]), lr=0.1)
    np.testing.assert_allclose(values, [-0.1, 0.1, -0.1], rtol=1e-12)


@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_a_constant_gradient_is_a_constant_step(kind):
    values = np.zeros(1)
    optimiser = kind(values, weight_decay=0.0, eps=0.0)
    for _ in range(30):
        optimiser.step(np.full(1, 5.0), lr=0.1)
    np.testing.assert_allclose(values, -3.0, rtol=1e-12)


def test_eps_is_added_to_the_corrected_root():
    """Else the first step with a gradient of eps would not be half the rate."""
    values = np.zeros(1)
    Adam(values, eps=1e-3).step(np.full(1, 1e-3), lr=0.1)
    np.testing.assert_allclose(values, -0.05, rtol=1e-12)


@pytest.mark.parametrize("kind", [AdamW, Lion])
def test_decoupled_decay_alone_shrinks_by_a_factor(kind):
    values = np.full(2, 3.0)
    optimiser = kind(values, weight_decay=0.5, weights=[slice(0, 1)])
    for _ in range(10):
        optimiser.step(np.zeros(2), lr=0.1)
    np.testing.assert_allclose(values, [3 * 0.95**10, 3.0], rtol=1e-12)


def test_lion_steps_by_the_rate_wherever_it_goes():
    values = np.zeros(3)
    Lion(values).step(np.array([1e-9, -1e9, 0.0]), lr=0.1)
    np.testing.assert_allclose(values, [-0.1, 0.1, 0.0])


def test_adagrad_slows_down_with_the_root_of_the_steps():
    """With a constant gradient, step k is lr / sqrt(k) long."""
    values = np.zeros(1)
    optimiser = Adagrad(values, eps=0.0)
    for _ in range(20):
        optimiser.step(np.full(1, 7.0), lr=0.1)
    np.testing.assert_allclose(values, -0.1 * sum(k**-0.5 for k in range(1, 21)), rtol=1e-12)


ROWS = [[3, 1, 3], [], [[0, 1], [4, 4]]]  # of one table in three steps: twice the same, none, in a matrix


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adagrad_by_rows_is_adagrad(monkeypatch, dtype):
    """Two tables among other parameters; where the gradient is 0 nothing moves, so the other rows are enough."""
    monkeypatch.setattr(flat, "TILE", 4)  # so that what comes twice comes in two tiles
    tables = [Table(3, 5, 4), Table(23, 6, 2)]
    generator = np.random.default_rng(0)
    values = generator.standard_normal(40).astype(dtype)
    dense = Adagrad(values.copy(), weight_decay=0.1, weights=[slice(0, 3), slice(35, 40)])
    sparse = Adagrad(values.copy(), weight_decay=0.1, weights=[slice(0, 3), slice(35, 40)], tables=tables)
    copy = values.astype(np.float16)
    for rows in ROWS:
        gradients = generator.standard_normal(40).astype(dtype)
        touched = [np.array(rows, np.int64), np.array([5], np.int64)]
        for table, ids in zip(tables, touched, strict=True):
            untouched = np.setdiff1d(np.arange(table.rows), ids)
            gradients[table.at].reshape(table.rows, table.width)[untouched] = 0
        dense.step(gradients, lr=0.1, scale=0.5)
        # What is not named may hold anything: it is not read.
        marked = gradients.copy()
        for table, ids in zip(tables, touched, strict=True):
            untouched = np.setdiff1d(np.arange(table.rows), ids)
            marked[table.at].reshape(table.rows, table.width)[untouched] = np.nan
        sparse.step(marked, lr=0.1, scale=0.5, rows=touched, **({"copy": copy} if dtype == np.float32 else {}))
        np.testing.assert_array_equal(sparse.values, dense.values)
        np.testing.assert_array_equal(sparse.total, dense.total)
    if dtype == np.float32:
        np.testing.assert_array_equal(copy, dense.values.astype(np.float16))


def test_adagrad_without_rows_steps_all_of_its_tables():
    plain, with_table = Adagrad(np.ones(6)), Adagrad(np.ones(6), tables=[Table(0, 3, 2)])
    for optimiser in (plain, with_table):
        optimiser.step(np.arange(6.0), lr=0.1)
    np.testing.assert_array_equal(with_table.values, plain.values)
