"""The options that train a model well when nobody says otherwise."""

from dataclasses import dataclass
from typing import NamedTuple


class Size(NamedTuple):
    """Of a transformer: blocks, numbers a position, attention heads, and positions at most."""

    layers: int
    width: int
    heads: int
    sequence: int


SIZES = {
    "nano": Size(layers=4, width=128, heads=4, sequence=128),
    "small": Size(layers=12, width=768, heads=12, sequence=1024),
    "medium": Size(layers=24, width=1024, heads=16, sequence=1024),
}
"""Small and medium are those of GPT-2 (Radford et al. 2019, table 2)."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Defaults of options of the same names; what stands here is what most models want.

    The learning rate is that of a global batch of `base_batch` samples. `batch` counts samples a rank; a recipe that
    has a `global_batch` is one mathematics on any number of ranks.
    """

    data: str
    optimiser: str = "sgd"
    lr: float
    base_batch: int = 256
    scaling: str = "linear"  # of the learning rate with the batch, or root
    weight_decay: float = 0.0
    decays: str = "all"  # parameters, or weights: those of two dimensions or more
    schedule: str = "linear"
    warmup_steps: int = 0
    clip: float | None = None
    epochs: int = 10
    batch: int = 32
    global_batch: int | None = None
    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    size: str = "nano"
    sequence: int | None = None
    dropout: float = 0.0
    batch_norm: str = "sync"

    @property
    def gpt_size(self) -> Size:
        """Of a transformer, with the sequence that is asked for."""
        size = SIZES[self.size]
        return size if self.sequence is None else size._replace(sequence=self.sequence)
