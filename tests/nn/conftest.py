"""A bench for one layer in float64: vectors bound to it, and central differences to check its backward against."""

import ctypes

import numpy as np
import pytest

from mpitrain import memory
from mpitrain.nn import Call, Layout

TRAINING = Call(training=True)
STEP = 1e-5


class Bench:
    """A layer with numbers of its own, and the scalar sum(y * dy), whose slopes its backward must give."""

    def __init__(self, layer, seed=0):
        self.layer, self.layout = layer, Layout.of(layer)
        self.values = np.random.default_rng(seed).standard_normal(self.layout.count)
        self.gradients = np.full(self.layout.count, np.nan)  # A gradient that nobody writes is found out.
        self.layout.bind(layer, self.values, self.gradients)

    def forward(self, x):
        return self.layer.forward(x, TRAINING)

    def draw(self, *shape, seed=1):
        """Numbers no two of which, and none and zero, are near each other: no kink comes within a difference."""
        count = int(np.prod(shape))
        return ((np.random.default_rng(seed).permutation(count) - count // 2) * 0.1 + 0.03).reshape(shape)

    def check(self, x):
        """Asserts the gradients of input and values to 1e-6, and that the two halves of the backward are the whole."""
        y, context = self.forward(x)
        dy = self.draw(*y.shape, seed=2)

        def loss():
            return float((self.forward(x)[0] * dy).sum())

        dx = self.layer.backward(context, dy)
        assert dx.shape == x.shape
        self.close(dx, central_differences(loss, x))
        self.close(self.gradients, central_differences(loss, self.values))
        self.check_halves(x)

    def check_halves(self, x):
        """Asserts that the backward by halves, in either order, and without the input's, is the backward."""
        y, context = self.forward(x)
        dy = self.draw(*y.shape, seed=2)
        dx, gradients = self.layer.backward(context, dy), self.gradients.copy()

        _, context = self.forward(x)  # a whole backward may use it up, halves do not
        self.gradients[:] = np.nan
        np.testing.assert_array_equal(self.layer.backward_input(context, dy), dx)
        assert np.isnan(self.gradients).all()
        self.layer.backward_weights(context, dy)
        np.testing.assert_array_equal(self.gradients, gradients)

        self.gradients[:] = np.nan
        assert self.layer.backward(context, dy, input_gradient=False) is None
        np.testing.assert_array_equal(self.gradients, gradients)

    def check_microbatches(self, x, cut):
        """Asserts that two microbatches in flight at once, the second accumulating, give the whole batch's numbers."""
        y, context = self.forward(x)
        dy = self.draw(*y.shape, seed=2)
        dx, gradients = self.layer.backward(context, dy), self.gradients.copy()

        (first_y, first), (second_y, second) = self.forward(x[:cut]), self.forward(x[cut:])
        self.close(np.concatenate([first_y, second_y]), y)
        self.gradients[:] = np.nan
        second_dx = self.layer.backward(second, dy[cut:])
        first_dx = self.layer.backward(first, dy[:cut], accumulate=True)
        self.close(np.concatenate([first_dx, second_dx]), dx)
        self.close(self.gradients, gradients)

    def check_empty(self, *shape):
        """Asserts that a batch of no rows goes through, and leaves gradients of zero."""
        x = np.zeros((0, *shape))
        y, context = self.forward(x)
        assert len(y) == 0
        assert self.layer.backward(context, np.zeros_like(y)).shape == x.shape
        np.testing.assert_array_equal(self.gradients, 0)

    @staticmethod
    def close(found, expected, tolerance=1e-6):
        """Asserts equality up to `tolerance` times the largest number expected."""
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max(initial=1e-3))


def central_differences(function, x):
    """The slope of `function()`, which reads x, in each element of x: (f(x + h) - f(x - h)) / 2h."""
    slope = np.empty_like(x)
    for index in np.ndindex(x.shape):
        kept = x[index]
        x[index] = kept + STEP
        above = function()
        x[index] = kept - STEP
        slope[index] = (above - function()) / (2 * STEP)
        x[index] = kept
    return slope


class PoisonedLoan(memory.PoolLoan):
    """Memory comes as NaN, so that a layer which reads what it never wrote is found out."""

    def __init__(self, *rest):
        super().__init__(*rest)
        address, size = self.range
        ctypes.memset(address, 0xFF, size)


@pytest.fixture(scope="session", autouse=True)
def all_memory_is_lent():
    """Arrays of these tests are small, and would not be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory, "SMALLEST", 1)
        patch.setattr(memory, "PoolLoan", PoisonedLoan)
        yield


@pytest.fixture(scope="session")
def bench():
    return Bench


@pytest.fixture(scope="session")
def slope():
    return central_differences
