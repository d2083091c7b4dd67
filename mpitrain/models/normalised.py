"""Batch normalisation over the rows of all ranks, or of each rank alone: the models that normalise take either."""

from collections.abc import Callable

from mpitrain.nn.batch_norm import BatchNorm, SyncBatchNorm

NORMALISATIONS: dict[str, Callable[[int], BatchNorm]] = {"sync": SyncBatchNorm, "local": BatchNorm}
"""Over all ranks it is one mathematics on any number of them; alone it sends nothing."""
