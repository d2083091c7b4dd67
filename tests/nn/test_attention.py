"""Multi-head attention as a layer; tests/ops has attention proper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpitrain.nn import Attention, Call


@given(
    heads=st.integers(1, 2), half=st.integers(1, 2), causal=st.booleans(), rotary=st.sampled_from([None, 10.0]),
    bias=st.booleans(), batch=st.integers(1, 2), length=st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=12, deadline=None)
def test_gradients(bench, heads, half, causal, rotary, bias, batch, length):
    width = 2 * half * heads
    layer = bench(Attention(width, heads, causal, rotary, bias))
    layer.values *= 0.5
    layer.check(layer.draw(batch, length, width) * 0.5)


def test_microbatches_and_no_rows(bench):
    layer = bench(Attention(4, 2, causal=True, rotary=10.0))
    layer.check_microbatches(layer.draw(5, 3, 4) * 0.1, cut=2)
    layer.check_empty(3, 4)


def test_causal_positions_do_not_see_what_follows(bench):
    layer = bench(Attention(4, 2, causal=True, rotary=10.0))
    x = layer.draw(2, 6, 4)
    y, _ = layer.forward(x)
    x[:, 4:] += 1
    again, _ = layer.forward(x)
    np.testing.assert_allclose(again[:, :4], y[:, :4], rtol=1e-13)
    assert (again[:, 4:] != y[:, 4:]).all()


@pytest.mark.parametrize("causal", [False, True])
def test_padding_is_as_if_it_were_not_there(bench, causal):
    layer = bench(Attention(4, 2, causal))
    x, dy = layer.draw(2, 6, 4) * 0.1, layer.draw(2, 6, 4, seed=2)
    mask = np.ones((2, 6), bool)
    mask[:, 4:] = False
    dy[:, 4:] = 0  # no loss reads what stands in padding
    y, context = layer.layer.forward(x, Call(True, mask=mask))
    dx = layer.layer.backward(context, dy)
    gradients = layer.gradients.copy()
    short, context = layer.forward(np.ascontiguousarray(x[:, :4]))
    short_dx = layer.layer.backward(context, np.ascontiguousarray(dy[:, :4]))
    layer.close(y[:, :4], short, 1e-12)
    layer.close(dx[:, :4], short_dx, 1e-12)
    np.testing.assert_array_equal(dx[:, 4:], 0)
    layer.close(gradients, layer.gradients, 1e-12)


def test_one_head_that_sees_itself_alone_is_a_product(bench):
    layer = bench(Attention(2, 1))
    x = layer.draw(3, 1, 2)
    values = layer.layout.named(layer.values)
    mixed = x @ values["qkv.weight"][:, 4:] + values["qkv.bias"][4:]
    y, _ = layer.forward(x)
    np.testing.assert_allclose(y, mixed @ values["out.weight"] + values["out.bias"], rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Attention(6, 4), "a width of 6 cannot be shared by 4 heads: expected a divisor"),
        (lambda: Attention(6, 2, rotary=1e4), "rotary positions turn pairs of numbers, found heads of width 3"),
        (
            lambda: Attention(6, 2).forward(np.zeros((2, 6)), Call(False)),
            "expected an input (batch, length, 6), found (2, 6)",
        ),
    ],
)
def test_what_cannot_be(make, text):
    with pytest.raises(ValueError) as error:
        make()
    assert str(error.value) == text


def test_flops_count_two_for_each_product():
    plain, causal = Attention(8, 2), Attention(8, 2, causal=True)
    shape = (3, 5, 8)
    products = 2 * 15 * 8 * 24 + 2 * 15 * 8 * 8  # to queries, keys and values; back
    assert plain.flops(shape, shape) == products + 3 * 2 * (2 * 25 * 4) * 2
    assert causal.flops(shape, shape) == products + 3 * 2 * (2 * 15 * 4) * 2
