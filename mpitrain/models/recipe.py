"""The options that train a model well when nobody says otherwise."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Defaults of options of the same names; what stands here is what most models want.

    The learning rate is that of a global batch of `base_batch` samples. `batch` counts samples a rank; a recipe that
    has a `global_batch` is one mathematics on any number of ranks.
    """

    data: str
    lr: float
    base_batch: int = 256
    weight_decay: float = 0.0
    warmup_steps: int = 0
    epochs: int = 10
    batch: int = 32
    global_batch: int | None = None
    hidden: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
