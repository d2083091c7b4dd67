"""Efficiency against ranks: closed forms of a ring, and the machine of Horovod's benchmarks."""

from dataclasses import replace

import pytest

from mpitrain.collectives.catalogue import ALLREDUCE
from mpitrain.network import Network, read
from mpitrain.scaling import horovod, layers
from mpitrain.scaling.exchange import cheapest
from mpitrain.scaling.load import Load, load
from mpitrain.scaling.step import Gradients, flops
from mpitrain.scaling.sweep import sweep

RING = {"ring": ALLREDUCE["ring"]}


def swept(model_or_load, ranks, network, bucket_bytes=64 << 20, **options):
    asked = load(model_or_load, network) if isinstance(model_or_load, str) else model_or_load
    return sweep(asked, ranks, lambda size: cheapest(RING, size, network), bucket_bytes, **options)


def test_one_rank_exchanges_nothing():
    (point,) = swept("vgg16", [1], Network.flat(1, 1, 1))
    assert (point.efficiency, point.bare_efficiency, point.step.exchanges, point.algorithms) == (1, 1, (), ())


def test_with_one_bucket_efficiency_is_computing_over_computing_and_a_ring():
    """All gradients ready at the end: 8 samples in 2 s, and 3 * 2 * (0.1 + 1000 / 4 * 0.001) = 2.1 s on 4 ranks."""
    alone = Load(8, 2.0, [Gradients(1.0, 600), Gradients(2.0, 400)], "")
    (point,) = swept(alone, [4], Network.flat(0.1, 0.001, 0), 1000)
    assert point.step.seconds == pytest.approx(4.1)
    assert point.efficiency == point.bare_efficiency == pytest.approx(2 / 4.1)
    assert point.samples_a_second == pytest.approx(4 * 8 / 4.1)


def test_a_cycle_sends_what_a_full_bucket_would_hold_back():
    """600 bytes go from 1.0 to 2.5 s, then 400 to 3.7; without overlap still one bucket of 1000."""
    alone = Load(8, 2.0, [Gradients(1.0, 600), Gradients(2.0, 400)], "")
    (point,) = swept(alone, [4], Network.flat(0.1, 0.001, 0), 1000, cycle=0.5)
    assert [exchange.end for exchange in point.step.exchanges] == pytest.approx([2.5, 3.7])
    assert point.bare_efficiency == pytest.approx(2 / 4.1)


@pytest.mark.parametrize("model", layers.MODELS)
def test_more_ranks_in_a_ring_are_never_more_efficient(model):
    points = swept(model, [1 << power for power in range(10)], Network.flat(1e-6, 1e-10, 0, speed=5e12))
    efficiencies = [point.efficiency for point in points]
    assert efficiencies == sorted(efficiencies, reverse=True)
    assert all(point.bare_efficiency <= point.efficiency <= 1 for point in points)


def test_a_rank_computes_by_the_networks_speed_or_as_told():
    """ResNet-50: 3 x 4.089 x 2 Gflop an image, less the first layer's gradient of its input (0.236)."""
    an_image = flops(layers.read("resnet50"))
    assert an_image == pytest.approx(6 * 4.089184256e9 - 2 * 112 * 112 * 64 * 3 * 49)
    flat = Network.flat(1e-6, 1e-10, 0, speed=1e12)
    assert load("resnet50", flat).computing == pytest.approx(64 * an_image / 1e12)
    assert load("resnet50", flat, batch=8, speed=2e12).computing == pytest.approx(8 * an_image / 2e12)
    assert load("resnet50", flat, samples=32).computing == pytest.approx(2)
    assert load("vgg16", flat).computing == pytest.approx(64 * flops(layers.read("vgg16")) / 1e12)


def test_on_horovods_machine_a_rank_computes_as_published_where_something_is():
    machine = read(horovod.NETWORK)
    assert load("vgg16", machine).computing == pytest.approx(64 / 130.9)
    assert load("vgg16", machine, speed=1e12).computing > 5
    assert load("gpt2", machine).batch == 8


def test_a_network_of_the_same_name_is_not_their_machine():
    machine = read(horovod.NETWORK)
    other = replace(machine, gamma=2 * machine.gamma)
    assert horovod.is_machine(machine) and not horovod.is_machine(other)
    assert load("vgg16", other).computing == pytest.approx(64 * flops(layers.read("vgg16")) / machine.speed)


def test_what_is_assumed_of_resnet50_fits_what_others_have_published():
    """TensorFlow's benchmarks of May 2017: 219 images/s on a P100 of a DGX-1."""
    assert load("resnet50", read(horovod.NETWORK)).computing == pytest.approx(64 / 219, rel=0.05)


def test_its_efficiency_at_16_gpus_is_the_speedup_that_its_authors_print():
    """README until October 2017, RDMA Horovod with NCCL: 15.0x, 14.6x, 13.7x."""
    assert {model: round(16 * share, 1) for model, share in horovod.EFFICIENCY[16].items()} == {
        "inception3": 15.0, "resnet101": 14.6, "vgg16": 13.7,
    }  # fmt: skip


def test_order_and_shape_of_horovods_figures_come_out():
    """VGG-16 scales worst, and falls with the number of GPUs; the two others stay where they are."""
    machine = read(horovod.NETWORK)
    sizes = list(horovod.EFFICIENCY)
    found = {model: swept(model, sizes, machine) for model in horovod.IMAGES_A_SECOND}
    for index, size in enumerate(sizes):
        ours = {model: points[index].efficiency for model, points in found.items()}
        assert min(ours, key=ours.get) == min(horovod.EFFICIENCY[size], key=horovod.EFFICIENCY[size].get) == "vgg16"
        for model, share in horovod.EFFICIENCY[size].items():
            assert found[model][index].bare_efficiency < share < ours[model]
    lost = {model: points[0].efficiency - points[-1].efficiency for model, points in found.items()}
    assert lost["vgg16"] > 0.09 and lost["vgg16"] > 4 * max(lost["inception3"], lost["resnet101"])
