"""What every layer promises, whatever it computes: one table of layers, and the same questions to all of them."""

import inspect

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain import nn
from mpitrain.nn import Call, Layer, Layout

IMAGES, SERIES, ROWS, IDS = (3, 6, 5, 4), (3, 6, 4), (3, 4), (3, 6)
LAYERS = {
    "GELU": (nn.GELU, ROWS),
    "GRU": (lambda: nn.GRU(4, 5), SERIES),
    "LSTM": (lambda: nn.LSTM(4, 5, last=True), SERIES),
    "Attention": (lambda: nn.Attention(4, 2, causal=True, rotary=100.0), SERIES),
    "AveragePool1d": (lambda: nn.AveragePool1d(2), SERIES),
    "AveragePool2d": (lambda: nn.AveragePool2d(3, 1, 1), IMAGES),
    "AveragePool2d, of many": (lambda: nn.AveragePool2d(16, 1, 8), (2, 16, 16, 2)),
    "BatchNorm": (lambda: nn.BatchNorm(4), ROWS),
    "Conv1d": (lambda: nn.Conv1d(4, 3, 3, padding=1), SERIES),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3, stride=2, groups=2), IMAGES),
    "Conv2d, by channel": (lambda: nn.Conv2d(4, 8, 3, groups=4), IMAGES),
    "ConvTranspose2d, by channel": (lambda: nn.ConvTranspose2d(4, 8, 3, groups=4), IMAGES),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 3, 3, stride=2), IMAGES),
    "Dropout": (lambda: nn.Dropout(0.3), SERIES),
    "Embedding": (lambda: nn.Embedding(7, 4), IDS),
    "Flatten": (nn.Flatten, IMAGES),
    "GlobalAveragePool": (nn.GlobalAveragePool, IMAGES),
    "Identity": (nn.Identity, ROWS),
    "LayerNorm": (lambda: nn.LayerNorm(4), SERIES),
    "LearnedPositions": (lambda: nn.LearnedPositions(8, 4), SERIES),
    "Linear": (lambda: nn.Linear(4, 3, activation="silu"), SERIES),
    "Linear, transposed": (lambda: nn.Linear(4, 3, transposed=True), ROWS),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), SERIES),
    "MaxPool2d": (lambda: nn.MaxPool2d(3, 1, 1), IMAGES),
    "Parallel": (lambda: nn.Parallel("concatenate", a=nn.Linear(4, 3), b=nn.LayerNorm(4)), SERIES),
    "RMSNorm": (lambda: nn.RMSNorm(4, bias=True), SERIES),
    "ReLU": (nn.ReLU, ROWS),
    "Residual": (lambda: nn.Residual(nn.Linear(4, 4)), SERIES),
    "Sequential": (lambda: nn.Sequential(a=nn.Linear(4, 4), b=nn.BatchNorm(4)), SERIES),
    "SiLU": (nn.SiLU, ROWS),
    "Sigmoid": (nn.Sigmoid, ROWS),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(4), IMAGES),
    "Tanh": (nn.Tanh, ROWS),
}
EVERY = pytest.mark.parametrize("name", LAYERS)
HALVES = pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])


class Case:
    """A layer bound to numbers of its own, an input and a gradient of its result."""

    def __init__(self, name, dtype=np.float64, batch=3, module=np):
        make, (_, *rest) = LAYERS[name]
        generator = np.random.default_rng(0)
        self.layer, self.module = make(), module
        layout = Layout.of(self.layer)
        self.values = module.asarray(generator.standard_normal(layout.count).astype(dtype))
        self.gradients = module.asarray(np.full(layout.count, np.nan, dtype))  # all of them are to be written
        self.state = module.asarray(np.ones(layout.buffer_count, np.float32))
        layout.bind(self.layer, self.values, self.gradients, self.state)
        shape = (batch, *rest)
        x = generator.integers(0, 7, shape) if name == "Embedding" else generator.standard_normal(shape).astype(dtype)
        self.x = module.asarray(x)
        y, _ = self.layer.forward(self.x, self.call())
        self.dy = module.asarray(generator.standard_normal(y.shape).astype(dtype))

    def call(self, **how):
        return Call(True, 1, 2, np.arange(len(self.x)), lambda sums: sums, **how)

    def run(self, x, dy, *passes):
        """Result, input gradient and gradients, of microbatches that add to the gradients or not."""
        for accumulate in passes or (False,):
            y, context = self.layer.forward(x, self.call())
            dx = self.layer.backward(context, dy, accumulate)
        return [None if array is None else host(array) for array in (y, dx, self.gradients)]


def host(array):
    return array.copy() if isinstance(array, np.ndarray) else array.get()


def alike(found, expected, tolerance=1e-12):
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=tolerance, atol=tolerance)


def spread(array):
    """The same numbers as every second of their last axis, with others in between."""
    module = xp if isinstance(array, xp.ndarray) else np
    wide = module.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[...] = 3
    view = wide[..., ::2]
    view[...] = array
    return view


def test_every_layer_is_asked():
    kinds = {name for name, kind in vars(nn).items() if inspect.isclass(kind) and issubclass(kind, Layer)}
    assert kinds - {"Layer", "Container"} <= set(LAYERS)


@EVERY
def test_halves_in_either_order_give_what_the_whole_gives(name):
    case = Case(name)
    _, dx, gradients = case.run(case.x, case.dy)
    for order in ("weights first", "input first"):
        case.gradients[...] = np.nan
        _, context = case.layer.forward(case.x, case.call())
        if order == "weights first":
            case.layer.backward_weights(context, case.dy)
        found = case.layer.backward_input(context, case.dy)
        if order == "input first":
            case.layer.backward_weights(context, case.dy)
        alike([found, case.gradients], [dx, gradients])


@EVERY
def test_a_second_microbatch_adds(name):
    case = Case(name)
    once = case.run(case.x, case.dy)[2]
    alike([case.run(case.x, case.dy, False, True)[2]], [2 * once])


@EVERY
def test_it_adds_to_what_another_layer_has_begun(name):
    case = Case(name)
    if isinstance(case.layer, nn.Container):
        return  # whose layers are asked themselves
    once = case.run(case.x, case.dy)[2]
    case.layer.begun_elsewhere = frozenset(parameter.name for parameter in case.layer.parameters())
    case.gradients[...] = 1
    alike([case.run(case.x, case.dy)[2]], [once + 1])


@EVERY
@pytest.mark.parametrize("module", [np, xp], ids=["cpu", "device"])
def test_no_rows(name, module):
    case = Case(name, np.float32, batch=0, module=module)
    full = Case(name, np.float32)
    y, dx, gradients = case.run(case.x, case.dy)
    assert y.shape == (0, *full.dy.shape[1:])
    assert name == "Embedding" or dx.shape == case.x.shape
    assert (gradients == 0).all()


@EVERY
@pytest.mark.parametrize("module", [np, xp], ids=["cpu", "device"])
def test_views_are_taken_as_what_they_show(name, module):
    case, plain = Case(name, np.float32, module=module), Case(name, np.float32)
    alike(case.run(spread(case.x), spread(case.dy)), plain.run(plain.x, plain.dy), 1e-4)


@EVERY
def test_nobody_waits_for_a_device(name):
    case = Case(name, np.float32, module=xp)
    before = xp.synchronisations()
    for accumulate in (False, True):
        _, context = case.layer.forward(case.x, case.call())
        case.layer.backward(context, case.dy, accumulate)
    assert xp.synchronisations() == before


@EVERY
def test_what_it_is_given_stays_as_it_is(name):
    case = Case(name)
    x, dy, values = case.x.copy(), case.dy.copy(), case.values.copy()
    case.run(case.x, case.dy, False, True)
    for now, before in ((case.x, x), (case.dy, dy), (case.values, values)):
        np.testing.assert_array_equal(now, before)


@EVERY
@HALVES
def test_half_types_are_rounded_once_or_so(name, dtype):
    case = Case(name, dtype)
    exact = Case(name)
    for part in ("values", "x", "dy"):
        getattr(exact, part)[...] = getattr(case, part)
    found = case.run(case.x, case.dy)
    assert {array.dtype for array in found if array is not None} == {np.dtype(dtype)}
    alike(found, exact.run(exact.x, exact.dy), 32 * float(ml_dtypes.finfo(dtype).eps))


@EVERY
def test_recomputing_leaves_the_buffers(name):
    case = Case(name)
    before = case.state.copy()
    case.layer.forward(case.x, case.call(recomputing=True))
    np.testing.assert_array_equal(case.state, before)


@EVERY
def test_flops_are_a_number(name):
    case = Case(name)
    if isinstance(case.layer, nn.Container):
        return  # which costs what its layers do
    assert 0 <= case.layer.flops(case.x.shape, case.dy.shape) < 1e6
