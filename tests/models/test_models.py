"""The models: their sizes, that they learn, and that a cut batch has the whole one's gradient."""

import numpy as np
import pytest

from mpitrain.errors import UsageError
from mpitrain.models import MODELS, RECIPES, cnn, mlp
from mpitrain.nn import Call, Layout, softmax_cross_entropy
from mpitrain.optim import SGD

TRAINING = Call(training=True)
SHAPE, CLASSES = (9, 6, 1), 3  # sides that do not always halve


class Trained:
    """A model with its vectors, and the gradient of a mean over `rows` samples of which it may see a part."""

    def __init__(self, model, dtype=np.float32):
        self.model, self.layout = model, Layout.of(model)
        self.values, self.gradients = np.zeros((2, self.layout.count), dtype)
        self.layout.bind(model, self.values, self.gradients)
        self.layout.initialise(self.values, seed=0)

    def backward(self, images, labels, rows):
        logits, context = self.model.forward(images, TRAINING)
        loss, correct, dlogits = softmax_cross_entropy(logits, labels, 1 / rows)
        self.model.backward(context, dlogits, input_gradient=False)
        return loss / rows, correct


def samples(count, dtype=np.float32):
    generator = np.random.default_rng(0)
    return generator.standard_normal((count, *SHAPE)).astype(dtype), generator.integers(0, CLASSES, count)


def test_sizes():
    assert Layout.of(mlp(784, 10)).count == 784 * 128 + 128 + 128 * 10 + 10 == 101_770
    assert Layout.of(mlp((28, 28, 1), 10)).count == 101_770
    assert list(Layout.of(mlp(784, 10, hidden=(64, 32))).units) == ["fc3", "fc2", "fc1"]
    assert list(Layout.of(mlp(784, 10, hidden=())).units) == ["fc1"]
    assert Layout.of(cnn((28, 28, 1), 10)).count == 320 + 18_496 + 401_536 + 1_290
    assert list(Layout.of(cnn((28, 28, 1), 10)).units) == ["fc2", "fc1", "conv2", "conv1"]


def test_every_model_has_a_recipe():
    assert MODELS.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", MODELS)
def test_learns_a_few_samples_by_heart(name):
    trained, (images, labels) = Trained(MODELS[name](SHAPE, CLASSES)), samples(20)
    optimiser = SGD(trained.values, momentum=0.9)
    for _ in range(60):
        loss, correct = trained.backward(images, labels, 20)
        optimiser.step(trained.gradients, lr=0.02)
    assert correct == 20 and loss < 0.05


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_any_cut_sum_to_those_of_the_batch(name):
    trained, (images, labels) = Trained(MODELS[name](SHAPE, CLASSES), np.float64), samples(7, np.float64)
    trained.backward(images, labels, 7)
    whole, total = trained.gradients.copy(), np.zeros(trained.layout.count)
    for part in (slice(0, 3), slice(3, 3), slice(3, 7)):
        trained.backward(images[part], labels[part], 7)
        total += trained.gradients
    np.testing.assert_allclose(total, whole, rtol=0, atol=1e-12 * np.abs(whole).max())


@pytest.mark.parametrize("name", MODELS)
def test_float32_all_the_way(name):
    trained, (images, _) = Trained(MODELS[name](SHAPE, CLASSES)), samples(2)
    assert trained.model.forward(images, TRAINING)[0].dtype == np.float32


def test_images_too_small_for_cnn():
    with pytest.raises(UsageError) as error:
        cnn((28, 3, 1), 10)
    assert str(error.value) == (
        "cnn halves the image 2 times, which takes at least 4 x 4 pixels, found 28 x 3; "
        "give fewer channels, or take mlp"
    )
