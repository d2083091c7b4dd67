"""Whether somebody will like something: the deep learning recommendation model (Naumov et al. 2019, section 2).

    numbers           -> bottom MLP -> a vector
    id of each column -> its table  -> a vector
    all vectors -> dot products of all pairs, beside the bottom's vector -> top MLP -> logit

A table row is a vector for one user, one item, ...; what two of them have to do with each other is their dot product,
as in a matrix factorisation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.models.mlp import fully_connected
from mpitrain.nn.container import Container
from mpitrain.nn.embedding import Embedding
from mpitrain.nn.initialise import normal
from mpitrain.nn.layer import Array, Call, Finished
from mpitrain.nn.sequential import Sequential
from mpitrain.ops.matmul import matmul


class DLRM(Container):
    """Takes (dense (batch, features), ids (batch, columns)) to (batch,) logits."""

    def __init__(self, features: int, rows: Sequence[int], width: int = 16, hidden: tuple[int, ...] = (64, 32)):
        """`rows` are those of the table of each column; every vector has `width` numbers."""
        vectors = 1 + len(rows)
        self.pairs = np.tril_indices(vectors, -1)
        top = fully_connected(width + len(self.pairs[0]), 1, hidden)
        tables = {
            f"table{number}": Embedding(count, width, normal(width**-0.5)) for number, count in enumerate(rows, 1)
        }
        bottom = Sequential(**fully_connected(features, width, hidden[:1]))
        super().__init__({**tables, "bottom": bottom, "top": Sequential(**top)})
        self.tables = list(tables)
        self._places: dict[str, tuple[Array, Array]] = {}  # by device

    def forward(self, x: Any, call: Call) -> tuple[Array, Any]:
        dense, ids = x
        xp = namespace(dense)
        bottom, bottom_context = self.layers["bottom"].forward(dense, call)
        vectors = empty((len(dense), 1 + len(self.tables), bottom.shape[1]), bottom.dtype, xp)
        vectors[:, 0] = bottom
        contexts: dict[str, Any] = {"bottom": bottom_context}
        for column, name in enumerate(self.tables):
            vectors[:, 1 + column], contexts[name] = self.layers[name].forward(ids[:, column], call)
        products = matmul(
            vectors, vectors.swapaxes(1, 2), out=empty((len(dense), *2 * vectors.shape[1:2]), bottom.dtype, xp)
        )
        rows, columns = self._pairs(xp)
        both = xp.concatenate([bottom, products[:, rows, columns]], axis=1)
        logits, contexts["top"] = self.layers["top"].forward(both, call)
        return logits.reshape(len(dense)), (vectors, contexts)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> None:
        """There is no gradient of ids, and nobody asks for that of the dense numbers alone: None."""
        vectors, contexts = context
        xp = namespace(dy)
        both = self._back("top", contexts, dy.reshape(-1, 1), accumulate, finished, True)
        width = vectors.shape[2]
        slopes = xp.zeros((len(dy), *2 * vectors.shape[1:2]), dy.dtype)
        rows, columns = self._pairs(xp)
        slopes[:, rows, columns] = slopes[:, columns, rows] = both[:, width:]
        dvectors = matmul(slopes, vectors, out=empty(vectors.shape, vectors.dtype, xp))
        dvectors[:, 0] += both[:, :width]
        self._back("bottom", contexts, xp.ascontiguousarray(dvectors[:, 0]), accumulate, finished, False)
        for column, name in reversed(list(enumerate(self.tables))):
            slope = xp.ascontiguousarray(dvectors[:, 1 + column])
            self._back(name, contexts, slope, accumulate, finished, False)

    def _pairs(self, xp: Any) -> tuple[Array, Array]:
        """Which two vectors make each product, on the device: sent there once."""
        if xp.__name__ not in self._places:
            self._places[xp.__name__] = (xp.asarray(self.pairs[0]), xp.asarray(self.pairs[1]))
        return self._places[xp.__name__]

    def _back(
        self, name: str, contexts: Any, dy: Array, accumulate: bool, finished: Finished | None, input_gradient: bool
    ) -> Any:
        report = self._reports(finished, name)
        return self.layers[name].backward(contexts.pop(name), dy, accumulate, report, input_gradient)
