"""BatchNorm and SyncBatchNorm: gradients, statistics, and ranks that together are one with the whole batch."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import BatchNorm, Call, SyncBatchNorm
from mpitrain.ops import batch_norm

EVALUATION = Call(training=False)


@pytest.fixture(autouse=True, scope="module")
def tiles_are_small():
    """So that there are several, and one of rows left over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_norm, "TILE", 16)
        patch.setattr(batch_norm, "RUN", 8)
        yield


@given(
    axes=st.lists(st.integers(1, 4), min_size=0, max_size=2),
    batch=st.integers(1, 5),
    channels=st.integers(1, 5),
)
@settings(max_examples=50, deadline=None)
def test_gradients(bench, axes, batch, channels):
    norm = bench(BatchNorm(channels, epsilon=0.01))
    x = np.random.default_rng(batch).standard_normal((batch, *axes, channels))
    norm.check(x + 3)


def test_gradients_with_running_moments(bench, slope):
    """They are constants then, and the layer a linear one."""
    norm = bench(BatchNorm(3))
    norm.forward(norm.draw(8, 3, seed=5))
    x, dy = norm.draw(4, 2, 3), norm.draw(4, 2, 3, seed=2)

    def loss():
        return float((norm.layer.forward(x, EVALUATION)[0] * dy).sum())

    dx = norm.layer.backward(norm.layer.forward(x, EVALUATION)[1], dy)
    norm.close(dx, slope(loss, x))
    norm.close(norm.gradients, slope(loss, norm.values))


@pytest.mark.parametrize("rows", [1, 2, 7, 20])
def test_each_channel_becomes_gain_and_bias(bench, rows):
    norm = bench(BatchNorm(3, epsilon=1e-12))
    y, _ = norm.forward(100 * norm.draw(rows, 5, 3) + 7)
    values = norm.layer.values
    norm.close(y.mean(axis=(0, 1)), values["bias"], 1e-9)
    norm.close(y.std(axis=(0, 1)), np.abs(values["gain"]), 1e-6)


def test_the_running_moments_move_by_the_momentum(bench):
    """Towards the mean and the variance of the sample, with n - 1 (PyTorch's documentation of BatchNorm2d)."""
    norm = bench(BatchNorm(3, momentum=0.25))
    x = norm.draw(4, 5, 3)
    norm.forward(x)
    state = norm.layer.state
    np.testing.assert_allclose(state["mean"], 0.25 * x.mean(axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(state["variance"], 0.75 + 0.25 * x.var(axis=(0, 1), ddof=1), rtol=1e-6)


def test_a_single_row_has_no_variance(bench):
    norm = bench(BatchNorm(2, momentum=0.5))
    norm.forward(np.array([[4.0, -2.0]]))
    np.testing.assert_array_equal(norm.layer.state["mean"], [2, -1])
    np.testing.assert_array_equal(norm.layer.state["variance"], [0.5, 0.5])


@pytest.mark.parametrize("call", [Call(True, recomputing=True), EVALUATION])
def test_recomputing_and_evaluating_leave_the_running_moments(bench, call):
    norm = bench(BatchNorm(3))
    x = norm.draw(4, 3)
    norm.forward(x)
    before = {name: value.copy() for name, value in norm.layer.state.items()}
    norm.layer.forward(x, call)
    for name, value in norm.layer.state.items():
        np.testing.assert_array_equal(value, before[name])


def test_evaluation_uses_the_running_moments(bench):
    norm = bench(BatchNorm(2, epsilon=0.5))
    norm.layer.state["mean"][:], norm.layer.state["variance"][:] = [1, -1], [3.5, 8.5]
    norm.values[:] = [2, 3, 1, 1]  # gain and bias
    y, _ = norm.layer.forward(np.array([[3.0, -7.0]]), EVALUATION)
    np.testing.assert_allclose(y, [[2 * 2 / 2 + 1, 3 * -6 / 3 + 1]])


def test_no_rows(bench):
    norm = bench(BatchNorm(3))
    norm.check_empty(4, 5, 3)
    np.testing.assert_array_equal(norm.layer.state["variance"], 1)


def test_gradients_accumulate(bench):
    norm = bench(BatchNorm(3))
    x = norm.draw(4, 3)
    y, context = norm.forward(x)
    norm.layer.backward(context, y)
    once = norm.gradients.copy()
    norm.layer.backward(context, y, accumulate=True)
    np.testing.assert_allclose(norm.gradients, 2 * once)


@pytest.mark.parametrize("shift", [0, 1e4])
def test_a_large_mean_costs_float32_nothing_but_its_own_rounding(bench, monkeypatch, shift):
    """The mean of the squares less the square of the mean would leave nothing of a variance of 1 beside 1e8."""
    monkeypatch.setattr(batch_norm, "TILE", 1 << 15)
    monkeypatch.setattr(batch_norm, "RUN", 512)
    x = (np.random.default_rng(0).standard_normal((4000, 3)) + shift).astype(np.float32)
    sums = batch_norm.column_sums(x)
    found = batch_norm.moments(sums, 0.0, None, 0.0)
    exact = x.astype(float)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.scale, 1 / exact.std(axis=0), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_types_stay_what_they_are(bench, dtype):
    norm = bench(BatchNorm(3))
    norm.values[:] = norm.values.astype(dtype)
    x, dy = (norm.draw(6, 5, 3, seed=seed).astype(dtype) for seed in (1, 2))
    y, context = norm.forward(x.astype(float))
    dx, gradients = norm.layer.backward(context, dy.astype(float)), norm.gradients.copy()
    rounded = norm.values.astype(dtype), norm.gradients.astype(dtype)
    norm.layout.bind(norm.layer, *rounded)
    found, context = norm.forward(x)
    found_dx = norm.layer.backward(context, dy)
    for one, other in ((found, y), (found_dx, dx), (rounded[1], gradients)):
        assert one.dtype == dtype
        norm.close(one.astype(float), other, 2 * np.finfo(dtype).eps)


class Ranks:
    """Threads that sum in each other's company, as `Call.reduce` does."""

    def __init__(self, size):
        self.size, self.barrier, self.given, self.sums = size, Barrier(size, timeout=20), {}, 0

    def reduce(self, rank):
        def summed(array):
            assert array.dtype == np.float64
            self.given[rank] = array.copy()
            self.barrier.wait()
            array[:] = sum(self.given[other] for other in range(self.size))
            self.sums += rank == 0
            self.barrier.wait()
            return array

        return summed

    def run(self, main):
        with ThreadPoolExecutor(self.size) as threads:
            return list(threads.map(main, range(self.size)))


@pytest.mark.parametrize("cuts", [[3, 6], [1, 1], [0, 7], [0, 0, 2, 7]])
def test_ranks_together_are_one_with_the_whole_batch(bench, cuts):
    """However the rows are dealt, also with ranks that have none."""
    whole = bench(BatchNorm(3))
    x, dy = whole.draw(7, 4, 3), whole.draw(7, 4, 3, seed=2)
    y, context = whole.forward(x)
    dx = whole.layer.backward(context, dy)
    bounds = [0, *cuts, 7]
    ranks = Ranks(len(bounds) - 1)

    def main(rank):
        mine, own = slice(bounds[rank], bounds[rank + 1]), bench(SyncBatchNorm(3))
        y, context = own.layer.forward(x[mine], Call(True, reduce=ranks.reduce(rank)))
        return y, own.layer.backward(context, dy[mine]), own.gradients, own.layer.state

    ys, dxs, gradients, states = zip(*ranks.run(main), strict=True)
    assert ranks.sums == 2
    whole.close(np.concatenate(ys), y, 1e-12)
    whole.close(np.concatenate(dxs), dx, 1e-12)
    whole.close(sum(gradients), whole.gradients, 1e-12)
    for state in states:
        for name, value in state.items():
            np.testing.assert_allclose(value, whole.layer.state[name], rtol=1e-6)


def test_halves_of_a_backward_on_ranks(bench):
    """The weights' half sums nothing over ranks, the input's once, and both give what the whole does."""
    ranks = Ranks(2)

    def main(rank):
        own = bench(SyncBatchNorm(3))
        x, dy = own.draw(4, 3, seed=rank), own.draw(4, 3, seed=7 + rank)
        _, context = own.layer.forward(x, Call(True, reduce=ranks.reduce(rank)))
        dx, gradients = own.layer.backward(context, dy), own.gradients.copy()
        ranks.barrier.wait()
        done = ranks.sums
        own.layer.backward_weights(context, dy)
        ranks.barrier.wait()
        assert ranks.sums == done
        np.testing.assert_array_equal(own.gradients, gradients)
        np.testing.assert_array_equal(own.layer.backward_input(context, dy), dx)

    ranks.run(main)


def test_alone_it_is_a_batch_norm(bench):
    alone, plain = bench(SyncBatchNorm(3)), bench(BatchNorm(3))
    x = plain.draw(4, 3)
    np.testing.assert_array_equal(alone.forward(x)[0], plain.forward(x)[0])


def test_batch_norm_asks_nobody(bench):
    norm = bench(BatchNorm(3))
    y, context = norm.layer.forward(norm.draw(4, 3), Call(True, reduce=lambda _: pytest.fail("reduced")))
    norm.layer.backward(context, y)
