"""Dissemination: in step k a rank tells the one 2^k places to its right whom it has heard of, and hears from the left.

Who is heard of doubles in each step, so that after ceil(log2 p) steps everybody knows that all have come: the fewest
steps possible, for any number of ranks. To hear of somebody twice does no harm to a barrier, as it would to a sum.

    Hensgen, Finkel and Manber, Two algorithms for barrier synchronization, Int. J. Parallel Programming 17(1), 1988
"""

from collections.abc import Iterator

from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Reduce, Send, Step


@collective("barrier", chunks=whole, ordered=True)
def barrier(rank: int, size: int) -> Iterator[Step]:
    """The data are a token, which stands for those who have come.

    steps      ceil_log2(p)
    bytes      n * ceil_log2(p)
    roundings  0
    alike      yes
    order      rank
    sizes      any
    paper      Hensgen, Finkel and Manber, Int. J. Parallel Programming 17(1), 1988
    """
    distance = 1
    while distance < size:
        yield Step(send=[Send((rank + distance) % size, 0)], recv=[Reduce((rank - distance) % size, 0)])
        distance *= 2
