"""The step model against cases worked out by hand: no overlap, some, all; and what must be so for any model."""

import pytest

from mpitrain.scaling.layers import MODELS, Layer, read
from mpitrain.scaling.step import Exchange, Gradients, buckets, finished, flops, step

FIRST, LAST = Layer("conv", "convolution", 300, 1000), Layer("fc", "linear", 100, 4000)
TWO = (FIRST, LAST)
"""Backward of the last is 200 flops, of the first 300 (no gradient of its input): 400 + 500 in all."""


def linear(fixed, a_byte):
    return lambda nbytes: fixed + a_byte * nbytes


def test_backward_is_twice_forward_but_for_the_first_layers_input():
    assert flops(TWO) == 400 + 200 + 300


def test_gradients_come_in_the_order_of_backward():
    assert finished(TWO, 90.0) == [Gradients(pytest.approx(60.0), 16000), Gradients(pytest.approx(90.0), 4000)]


def test_layers_without_parameters_take_time_and_give_no_gradients():
    layers = (FIRST, Layer("scores", "attention", 100, 0), LAST)
    assert [gradients.nbytes for gradients in finished(layers, 120.0)] == [16000, 4000]
    assert finished(layers, 120.0)[0].ready == pytest.approx(70.0)


def test_one_bucket_waits_for_all_gradients():
    """Closed form: computing + exchange."""
    ready = buckets(finished(TWO, 90.0), 20000)
    assert ready == [Gradients(pytest.approx(90.0), 20000)]
    found = step(90.0, ready, linear(1, 0.001))
    assert (found.seconds, found.exposed, found.exchanging) == (
        pytest.approx(111),
        pytest.approx(21),
        pytest.approx(21),
    )


def test_what_the_last_bucket_takes_is_all_that_shows_if_the_rest_is_hidden():
    """16000 bytes go from 60 to 77, while the first layer's backward runs until 90."""
    ready = buckets(finished(TWO, 90.0), 16000)
    found = step(90.0, ready, linear(1, 0.001))
    assert found.exchanges == (Exchange(60, 77, 16000), Exchange(90, 95, 4000))
    assert (found.seconds, found.exposed) == (95, 5)


def test_exchanges_follow_each_other():
    """Slower than backward: 60 + 33 = 93, then 9 more."""
    found = step(90.0, buckets(finished(TWO, 90.0), 16000), linear(1, 0.002))
    assert found.exchanges == (Exchange(60, 93, 16000), Exchange(93, 102, 4000))


def test_without_overlap_all_times_add_up():
    found = step(90.0, buckets(finished(TWO, 90.0), 16000), linear(1, 0.001), overlap=False)
    assert found.exchanges == (Exchange(90, 107, 16000), Exchange(107, 112, 4000))


def test_nothing_to_exchange():
    assert step(90.0, [], linear(1, 1)).seconds == 90
    assert step(90.0, buckets(finished(TWO, 90.0), 1), lambda nbytes: 0.0).exposed == 0


@pytest.mark.parametrize(
    ("bucket_bytes", "cut"),
    [
        (1, [(1, 5), (2, 3), (3, 9), (4, 1)]),  # each longer than a bucket goes alone
        (8, [(2, 8), (3, 9), (4, 1)]),
        (10, [(2, 8), (4, 10)]),
        (17, [(3, 17), (4, 1)]),
        (18, [(4, 18)]),
    ],
)
def test_a_bucket_is_ready_with_its_last_gradient(bucket_bytes, cut):
    gradients = [Gradients(1, 5), Gradients(2, 3), Gradients(3, 9), Gradients(4, 1)]
    assert buckets(gradients, bucket_bytes) == cut


@pytest.mark.parametrize(
    ("bucket_bytes", "cut"),
    [(100, [(10, 8), (20, 11)]), (8, [(10, 8), (20, 9), (20, 2)]), (1, [(10, 5), (10, 3), (20, 9), (20, 2)])],
)
def test_with_a_cycle_a_bucket_takes_what_is_ready_when_the_clock_strikes(bucket_bytes, cut):
    gradients = [Gradients(1, 5), Gradients(10, 3), Gradients(11, 9), Gradients(19, 2)]
    assert buckets(gradients, bucket_bytes, cycle=10) == cut


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bucket_bytes", [1, 1 << 20, 64 << 20, 1 << 40])
def test_buckets_hold_every_byte_once(model, bucket_bytes):
    layers = read(model)
    ready = buckets(finished(layers, 1.0), bucket_bytes)
    assert sum(bucket.nbytes for bucket in ready) == 4 * sum(layer.parameters for layer in layers)
    assert ready[-1].ready == pytest.approx(1.0)
    assert [bucket.ready for bucket in ready] == sorted(bucket.ready for bucket in ready)


@pytest.mark.parametrize("model", MODELS)
def test_overlap_helps_and_hides_no_more_than_there_is(model):
    gradients = finished(read(model), 0.5)
    for seconds in (linear(1e-3, 1e-10), linear(0, 1e-9), linear(1e-2, 5e-9)):
        for bucket_bytes in (1 << 20, 16 << 20, 1 << 40):
            ready = buckets(gradients, bucket_bytes)
            hidden, bare = step(0.5, ready, seconds), step(0.5, ready, seconds, overlap=False)
            assert bare.seconds == pytest.approx(0.5 + bare.exchanging)
            assert hidden.exchanging == pytest.approx(bare.exchanging)
            assert max(0.5, hidden.exchanging) < hidden.seconds <= bare.seconds


def test_a_slower_network_never_makes_a_step_shorter():
    ready = buckets(finished(read("vgg16"), 0.5), 16 << 20)
    taken = [
        step(0.5, ready, linear(fixed, a_byte)).seconds
        for fixed, a_byte in ((0, 0), (0, 1e-10), (1e-3, 1e-10), (1e-3, 1e-9))
    ]
    assert taken == sorted(taken) and taken[0] == 0.5 and taken[-1] > 0.5
