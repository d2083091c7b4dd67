"""The layers of well-known networks as data: what each computes in forward, and how many parameters it has.

A table, `tables/MODEL.csv`, has a row a layer in the order of forward. Its flops are those of one sample, two for each
multiply-add of convolutions, matrix products and attention; what normalisation, activations and pooling compute is
small beside them and counts as none. `architectures.py` makes the tables from the networks' definitions.
"""

import csv
from importlib import resources
from typing import NamedTuple

MODELS = ("resnet50", "resnet101", "inception3", "vgg16", "gpt2")


class Layer(NamedTuple):
    """A row of a table."""

    name: str
    kind: str
    flops: int
    """Of forward, for one sample."""
    parameters: int


def read(model: str) -> tuple[Layer, ...]:
    """The layers of one of MODELS in the order of forward."""
    text = (resources.files("mpitrain.scaling") / "tables" / f"{model}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(Layer(row["name"], row["kind"], int(row["flops"]), int(row["parameters"])) for row in rows)
