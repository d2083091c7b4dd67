"""Readers of data sets, and how their samples are dealt to ranks."""

from mpitrain.data.dataset import NAMES, Dataset, load
from mpitrain.data.deal import epoch_order, share
from mpitrain.data.idx import read_idx

__all__ = ["NAMES", "Dataset", "epoch_order", "load", "read_idx", "share"]
