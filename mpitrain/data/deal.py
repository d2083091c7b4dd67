"""Who gets which sample: pure functions of seed, epoch, rank and size, so that nobody has to tell anybody.

    order = epoch_order(count, seed, epoch)              the same permutation on every rank
    batch = order[start : start + global_batch]          the same global batch on every rank
    mine  = batch[share(len(batch), rank, size)]         together, the ranks' shares are the batch

So every sample of an epoch is seen exactly once for any number of ranks, also in a last batch that is smaller or does
not divide. A rank's share may be empty.
"""

import numpy as np


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of range(count), int64, drawn by (seed, epoch); both at least 0."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def share(count: int, rank: int, size: int) -> range:
    """Rank's part of `count` things in a row; the parts are in order of rank and differ by at most one thing."""
    return range(rank * count // size, (rank + 1) * count // size)
