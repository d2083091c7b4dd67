"""Readers of data sets, and how their samples are dealt to ranks."""

from mpitrain.data.catalogue import NAMES, load
from mpitrain.data.dataset import Dataset
from mpitrain.data.deal import epoch_order, share
from mpitrain.data.idx import read_idx
from mpitrain.data.samples import Indices, Inputs, Kind, Samples

__all__ = ["NAMES", "Dataset", "Indices", "Inputs", "Kind", "Samples", "epoch_order", "load", "read_idx", "share"]
