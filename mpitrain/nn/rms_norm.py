"""Root-mean-square normalisation: layer normalisation that leaves the mean alone (Zhang and Sennrich 2019)."""

from mpitrain.nn.layer_norm import LayerNorm


class RMSNorm(LayerNorm):
    """(..., width) to the same: over the last axis x / sqrt(mean(x^2) + eps), times `gain`.

    Keeps its input and one number a row.
    """

    centred = False

    def __init__(self, width: int, eps: float = 1e-5, bias: bool = False):
        super().__init__(width, eps, bias)
