"""What contexts keep: sizes by hand, by the owner of the memory; and that each is gone once its backward is done."""

import weakref

import numpy as np
import pytest

from mpitrain.nn import Call, Flatten, Layout, Linear, ReLU, Residual, Sequential
from mpitrain.nn.kept import OUTSIDE, counting, owned
from mpitrain.nn.layer import Layer

ROWS = 6


class Watched(Layer):
    """Passes numbers on. Notes, when its backward begins, which of all contexts made so far are still alive."""

    made, alive = [], []

    def forward(self, x, call):
        context = np.ones(3)
        self.made.append(weakref.ref(context))
        return x + 1, (context,)

    def backward_input(self, context, dy):
        self.alive.append([reference() is not None for reference in self.made])
        return dy + 1


@pytest.fixture
def watched():
    Watched.made, Watched.alive = [], []
    return Watched


def bound(layer):
    layout = Layout.of(layer)
    layout.bind(layer, np.ones(layout.count, np.float32), np.zeros(layout.count, np.float32))
    return layer


def test_a_small_mlp_by_hand():
    """4-5-2 on 6 rows: fc1 keeps x, which is the batch; relu its result, which fc2 keeps too; GELU its slope."""
    model = bound(Sequential(flatten=Flatten(), fc1=Linear(4, 5), relu=ReLU(), fc2=Linear(5, 2, activation="gelu")))
    with counting(model) as found:
        model.forward(np.ones((ROWS, 2, 2), np.float32), Call(True))
    (kept,) = found
    assert kept.inputs == ROWS * 4 * 4
    assert kept.contexts == {"relu": ROWS * 5 * 4, "fc2": ROWS * 2 * 4}
    assert (kept.samples, kept.total) == (ROWS, ROWS * (5 + 2) * 4)
    assert "forward" not in vars(model) and "forward" not in vars(model.layers["fc1"])


def test_memory_counts_for_its_owner_once_and_as_a_whole():
    whole = np.zeros((10, 100))
    assert owned([whole[2:3], {"a": whole.T}, (whole[:, 1], None, 7, "text")]) == {id(whole): 8000}


def test_what_belongs_to_others_counts_for_nobody():
    model = bound(Sequential(fc=Linear(4, 4)))
    x = np.ones((ROWS, 4), np.float32)
    with counting(model, besides=(x,)) as found:
        model.forward(x[1:], Call(True))
    assert found[0].contexts == {}


def test_what_a_container_keeps_itself():
    class Own(Sequential):
        def forward(self, x, call):
            y, contexts = super().forward(x, call)
            return y, (contexts, y, np.zeros(5))

    x = np.ones((ROWS, 3))
    with counting(Own(relu=ReLU())) as found:
        pass
    assert found == []
    model = Own(relu=ReLU())
    with counting(model) as found:
        model.forward(x, Call(True))
    assert found[0].contexts == {"relu": x.nbytes, OUTSIDE: 5 * 8}


def test_a_context_is_gone_once_its_backward_is_done(watched):
    model = Sequential(a=watched(), b=Residual(Sequential(c=watched(), d=watched())), e=watched())
    y, context = model.forward(np.ones((ROWS, 3)), Call(True))
    model.backward(context, y)
    assert watched.alive == [
        [True, True, True, True],
        [True, True, True, False],
        [True, True, False, False],
        [True, False, False, False],
    ]
    assert not any(reference() for reference in watched.made)


def test_halves_keep_it_for_each_other(watched):
    model = Sequential(a=watched(), b=Residual(watched()))
    y, context = model.forward(np.ones((ROWS, 3)), Call(True))
    model.backward_weights(context, y)
    model.backward_input(context, y)
    model.backward_weights(context, y)
    assert all(reference() is not None for reference in watched.made)


def test_a_forward_that_forgets_keeps_nothing(watched):
    model = Sequential(a=watched(), b=Residual(Sequential(c=watched())))
    _, context = model.forward(np.ones((ROWS, 3)), Call(False, forgetting=True))
    assert not any(reference() for reference in watched.made)
    assert owned(context) == {}


def test_a_second_whole_backward_is_told(watched):
    model = Sequential(a=watched(), b=watched())
    y, context = model.forward(np.ones((ROWS, 3)), Call(True))
    model.backward(context, y)
    expected = (
        "^expected the contexts of 2 layers, found 0: a forward is followed by one whole backward, which uses its "
        "context up, and by none if it is `forgetting`$"
    )
    with pytest.raises(ValueError, match=expected):
        model.backward(context, y)
