"""What a rank computes in a step of a model, from its table and a speed."""

from typing import NamedTuple

from mpitrain.network import Network
from mpitrain.scaling import horovod
from mpitrain.scaling.layers import read
from mpitrain.scaling.step import Gradients, finished, flops


class Load(NamedTuple):
    """`computing` seconds for `batch` samples; `gradients` as backward finishes them; `told`: at what speed."""

    batch: int
    computing: float
    gradients: list[Gradients]
    told: str


def load(
    model: str, network: Network, batch: int | None = None, speed: float | None = None, samples: float | None = None
) -> Load:
    """By `samples` a second, by `speed` in flops a second, or by what is known of the network."""
    layers = read(model)
    a_sample = flops(layers)
    if batch is None:
        batch = horovod.OTHER_BATCH.get(model, horovod.BATCH)
    if samples is None and speed is None and horovod.is_machine(network):
        samples = horovod.IMAGES_A_SECOND.get(model)
    if samples is None:
        samples = (speed or network.speed) / a_sample
    told = f"{samples:.4g}/s ({samples * a_sample / 1e12:.3g} Tflop/s)"
    return Load(batch, batch / samples, finished(layers, batch / samples), told)
