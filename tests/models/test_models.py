"""The models: their sizes, that they learn, and that a cut batch has the whole one's gradient."""

import numpy as np
import pytest
from small_data import SmallData

from mpitrain.errors import UsageError
from mpitrain.models import MODELS, cnn, gpt, mlp
from mpitrain.models.recipe import SIZES, Size
from mpitrain.models.resnet import resnet
from mpitrain.models.task import NUMBERS
from mpitrain.nn import Call, Layout
from mpitrain.optim import Adam

TRAINING = Call(training=True)


class Trained:
    """A small model of that name with its vectors, and the gradient of a mean over all predictions in the data."""

    def __init__(self, name, dtype=np.float32):
        build, kind, self.task, recipe = MODELS[name]
        self.data = SmallData(kind, classes=None if self.task is NUMBERS else 3)
        self.dtype, self.model = dtype, SMALL.get(name, build)(self.data, recipe)
        self.layout = Layout.of(self.model)
        self.values, self.gradients = np.zeros((2, self.layout.count), dtype)
        self.layout.bind(self.model, self.values, self.gradients)
        self.layout.initialise(self.values, seed=0)

    def backward(self, part=slice(None), call=TRAINING):
        inputs, targets = self.data.batch(part)
        output, context = self.model.forward(cast(inputs, self.dtype), call)
        scale = 1 / (self.data.count * self.data.predictions)
        loss, score, gradient = self.task.loss(output, cast(targets, self.dtype), scale)
        self.model.backward(context, gradient, input_gradient=False)
        return loss * scale, score * scale


SMALL = {"gpt": lambda data, recipe: gpt(Size(layers=2, width=16, heads=2, sequence=8))}


def cast(arrays, dtype):
    if isinstance(arrays, tuple):
        return tuple(cast(array, dtype) for array in arrays)
    return arrays.astype(dtype) if arrays.dtype.kind == "f" else arrays


def test_sizes_of_residual_networks_are_the_published_ones():
    """He et al. 2016, table 6: 0.27 M and 0.85 M; to the last number as in Y. Idelbayev's count of them."""
    counts = {depth: Layout.of(resnet(depth, (32, 32, 3), 10)).count for depth in (20, 56)}
    assert counts == {20: 269_722, 56: 853_018}


def test_sizes():
    assert Layout.of(mlp(784, 10)).count == 784 * 128 + 128 + 128 * 10 + 10 == 101_770
    assert Layout.of(mlp((28, 28, 1), 10)).count == 101_770
    assert list(Layout.of(mlp(784, 10, hidden=(64, 32))).units) == ["fc3", "fc2", "fc1"]
    assert list(Layout.of(mlp(784, 10, hidden=())).units) == ["fc1"]
    assert Layout.of(cnn((28, 28, 1), 10)).count == 320 + 18_496 + 401_536 + 1_290
    assert list(Layout.of(cnn((28, 28, 1), 10)).units) == ["fc2", "fc1", "conv2", "conv1"]


def test_the_small_gpt_is_gpt2_but_for_its_words():
    """GPT-2 has 124,439,808 parameters with 50,257 words (Hugging Face's count)."""
    ours = Layout.of(gpt(SIZES["small"], classes=50_257)).count
    assert ours == 124_439_808


@pytest.mark.parametrize("name", MODELS)
def test_learns_a_few_samples_by_heart(name):
    trained = Trained(name)
    first, _ = trained.backward()
    optimiser = Adam(trained.values)
    for _ in range(100):
        optimiser.step(trained.gradients, lr=1e-2)
        loss, _ = trained.backward()
        if loss < 0.2 * first:
            return
    pytest.fail(f"100 steps lead from a loss of {first:g} to {loss:g}")


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_any_cut_sum_to_those_of_the_batch(name):
    trained = Trained(name, np.float64)
    # What is normalised over the batch it comes in is another function of each sample in each batch.
    call = Call(training=False) if trained.layout.buffers else TRAINING
    trained.backward(call=call)
    whole, total = trained.gradients.copy(), np.zeros(trained.layout.count)
    for part in (slice(0, 7), slice(7, 7), slice(7, 20)):
        trained.backward(part, call)
        total += trained.gradients
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-12 * np.abs(whole).max())


@pytest.mark.parametrize("name", MODELS)
def test_float32_all_the_way(name):
    trained = Trained(name)
    assert trained.model.forward(trained.data.batch(slice(0, 2))[0], TRAINING)[0].dtype == np.float32


def test_images_too_small_for_cnn():
    with pytest.raises(UsageError) as error:
        cnn((28, 3, 1), 10)
    assert str(error.value) == (
        "cnn halves the image 2 times, which takes at least 4 x 4 pixels, found 28 x 3; "
        "give fewer channels, or take mlp"
    )
