"""A decoder-only transformer over bytes, in the manner of GPT-2 (Radford et al. 2019).

    bytes -> embed + positions -> [ x + attention(norm(x)) -> x + mlp(norm(x)) ] * layers -> norm -> head -> logits

Normalisation comes first in each branch, positions are learned, the head shares the embedding's table, and the
projections that end a branch start smaller by the square root of their number, so that the sum of all branches does not
grow with depth (section 2.3).
"""

import math

from mpitrain.models.recipe import Size
from mpitrain.nn.attention import Attention
from mpitrain.nn.branches import Residual
from mpitrain.nn.dropout import Dropout
from mpitrain.nn.embedding import Embedding
from mpitrain.nn.initialise import normal
from mpitrain.nn.layer import Layer
from mpitrain.nn.layer_norm import LayerNorm
from mpitrain.nn.linear import Linear
from mpitrain.nn.positions import LearnedPositions
from mpitrain.nn.sequential import Sequential

DEVIATION = 0.02  # of starting weights, as in GPT-2's code


def gpt(size: Size, classes: int = 256, dropout: float = 0.0) -> Sequential:
    """Takes (batch, length) ids, length at most `size.sequence`, to (batch, length, classes) logits of the next id."""
    width = size.width
    return Sequential(
        {"head.weight": "embed.weight"},
        embed=Embedding(classes, width, normal(DEVIATION)),
        positions=LearnedPositions(size.sequence, width, normal(DEVIATION)),
        **{f"block{number}": _block(size, dropout) for number in range(1, size.layers + 1)},
        norm=LayerNorm(width),
        head=Linear(width, classes, normal(DEVIATION), bias=False, transposed=True),
    )


def _block(size: Size, dropout: float) -> Sequential:
    width, start, last = size.width, normal(DEVIATION), normal(DEVIATION / math.sqrt(2 * size.layers))
    attention = Attention(width, size.heads, causal=True, initialise=start, initialise_out=last)
    mlp = {"up": Linear(width, 4 * width, start, activation="gelu"), "down": Linear(4 * width, width, last)}
    return Sequential(
        attention=Residual(_branch(width, dropout, attend=attention)),
        mlp=Residual(_branch(width, dropout, **mlp)),
    )


def _branch(width: int, dropout: float, **layers: Layer) -> Sequential:
    ending = {"dropout": Dropout(dropout)} if dropout else {}
    return Sequential(norm=LayerNorm(width), **layers, **ending)
