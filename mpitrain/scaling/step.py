"""A training step on many ranks: computation, exchanges, and what of them hides behind what.

    computing   | forward ......... | backward: fc | conv3 | conv2 | conv1 |
    exchanging                               | bucket 0 ....| bucket 1 .......| bucket 2 |
                                                                           |<- exposed ->|

Forward takes its time, then backward goes through the layers in reverse. A layer's backward computes twice what its
forward does, the gradient of its input and that of its parameters; the first layer's only the latter. Gradients go into
buckets in the order in which backward finishes them. One exchange runs at a time: a bucket's begins once all its
gradients are there and the exchange before it has ended. The step ends with the last of them. What the optimiser does
counts as computing if the measured time behind `seconds` had it.

    Li et al., PyTorch distributed: experiences on accelerating data parallel training, VLDB 13(12), 2020: buckets
    Sergeev and Del Balso, Horovod, arXiv 1802.05799: tensor fusion
"""

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

from mpitrain.scaling.layers import Layer

GRADIENT_BYTES = 4
"""Of a parameter's gradient, float32."""

Seconds = Callable[[int], float]
"""What exchanging so many bytes takes."""


class Gradients(NamedTuple):
    """Bytes that are ready to go out together, `ready` seconds after the step began."""

    ready: float
    nbytes: int


class Exchange(NamedTuple):
    """A bucket's: seconds after the step began."""

    begin: float
    end: float
    nbytes: int


class Step(NamedTuple):
    """`computing` seconds of it; `exchanges` in the order in which they ran."""

    computing: float
    exchanges: tuple[Exchange, ...]

    @property
    def seconds(self) -> float:
        return max([self.computing, *(exchange.end for exchange in self.exchanges)])

    @property
    def exposed(self) -> float:
        """Seconds of exchanges that computing does not hide."""
        return self.seconds - self.computing

    @property
    def exchanging(self) -> float:
        """Seconds in exchanges, hidden or not."""
        return sum(exchange.end - exchange.begin for exchange in self.exchanges)


def flops(layers: Sequence[Layer]) -> int:
    """Of forward and backward, for one sample."""
    return sum(layer.flops + _backward(layers, number) for number, layer in enumerate(layers))


def _backward(layers: Sequence[Layer], number: int) -> int:
    return layers[number].flops * (2 if number else 1)


def finished(layers: Sequence[Layer], computing: float) -> list[Gradients]:
    """When backward has each layer's gradients, in that order, if all flops of the step take `computing` seconds."""
    a_flop = computing / flops(layers)
    now = sum(layer.flops for layer in layers) * a_flop
    gradients = []
    for number in reversed(range(len(layers))):
        now += _backward(layers, number) * a_flop
        if layers[number].parameters:
            gradients.append(Gradients(now, layers[number].parameters * GRADIENT_BYTES))
    return gradients


def buckets(gradients: Sequence[Gradients], bucket_bytes: int, cycle: float = 0) -> list[Gradients]:
    """Gradients in the same order, in buckets of at most `bucket_bytes` bytes, or of one layer's if that has more.

    Without a cycle a bucket waits until it is full. With one it takes what is ready when the clock next strikes a
    multiple of `cycle` seconds, as Horovod's does.
    """
    cut: list[Gradients] = []
    for ready, nbytes in gradients:
        strikes = ceil(ready / cycle) * cycle if cycle else ready
        fits = bool(cut) and cut[-1].nbytes + nbytes <= bucket_bytes
        if fits and (not cycle or cut[-1].ready == strikes):
            cut[-1] = Gradients(strikes, cut[-1].nbytes + nbytes)
        else:
            cut.append(Gradients(strikes, nbytes))
    return cut


def step(computing: float, ready: Sequence[Gradients], seconds: Seconds, overlap: bool = True) -> Step:
    """A step that computes for so long, and exchanges these buckets. Without overlap they all wait for its end."""
    exchanges: list[Exchange] = []
    free = 0.0 if overlap else computing
    for bucket in ready:
        begin = max(bucket.ready, free)
        free = begin + seconds(bucket.nbytes)
        exchanges.append(Exchange(begin, free, bucket.nbytes))
    return Step(computing, tuple(exchanges))
