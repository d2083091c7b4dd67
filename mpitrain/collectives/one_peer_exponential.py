"""One-peer exponential graph, a gossip: nobody waits for all others, values are averaged pairwise until they agree.

In round k a rank averages with the rank 2^k places to its left. Every round's mixing is doubly stochastic, so that the
mean over ranks never changes; at a power of two, log2(p) rounds reach the exact mean, else they come near it.

    Assran, Loizou, Ballas and Rabbat, Stochastic gradient push for distributed deep learning, ICML 2019
    Ying, Yuan, Chen, Hu, Pan and Yin, Exponential graph is provably efficient for decentralized deep training,
    NeurIPS 2021
"""

from collections.abc import Iterator
from fractions import Fraction

from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Reduce, Send, Step


@collective("gossip", chunks=whole)
def gossip(rank: int, size: int) -> Iterator[Step]:
    """Half of one's own value and half of the left peer's, at distances 1, 2, 4, ...

    steps      ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  ceil_log2(p)
    alike      no
    order      any
    sizes      any
    paper      Ying et al., NeurIPS 2021
    """
    distance = 1
    while distance < size:
        yield Step(
            send=[Send((rank + distance) % size, 0)],
            recv=[Reduce((rank - distance) % size, 0, weight=Fraction(1, 2))],
        )
        distance *= 2
