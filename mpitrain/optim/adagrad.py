"""Adagrad, on all elements or, in tables, on the rows that were looked up."""

from collections.abc import Sequence
from typing import NamedTuple

from mpitrain.array import namespace
from mpitrain.errors import UsageError
from mpitrain.ops.adagrad import adagrad_rows, adagrad_step
from mpitrain.ops.spans import Spans
from mpitrain.optim.optimiser import Array, Optimiser
from mpitrain.optim.options import check_not_negative


class Table(NamedTuple):
    """Where in the vector an embedding table lies: (rows, width) from element `start` on."""

    start: int
    rows: int
    width: int

    @property
    def at(self) -> slice:
        return slice(self.start, self.start + self.rows * self.width)


class Adagrad(Optimiser):
    """See `ops/adagrad.py` for the formula. It keeps one vector, the total of the squared gradients.

    In `tables` only the rows named in a step are touched, which is the same as long as the gradients of the others are
    0 and the tables do not decay. Weight decay is part of the gradient (L2).
    """

    def __init__(
        self,
        values: Array,
        eps: float = 1e-10,
        weight_decay: float = 0.0,
        initial: float = 0.0,
        weights: Sequence[slice] | None = None,
        tables: Sequence[Table] = (),
    ):
        check_not_negative(eps=eps, weight_decay=weight_decay, initial=initial)
        self.total = namespace(values).zeros_like(values)
        self.total += initial
        super().__init__(values, total=self.total)
        self.eps, self.weight_decay, self.tables = eps, weight_decay, tables
        decayed = Spans(weights, len(values))
        if weight_decay and any(list(decayed.within(table.at)) for table in tables):
            raise UsageError(
                f"tables stepped by rows cannot decay, found a weight decay of {weight_decay} on one; leave the tables "
                "out of the weights that decay"
            )
        self.whole = [(slice(0, len(values)), decayed)]
        between = Spans([table.at for table in tables], len(values)).between()
        self.beside_tables = [(part, Spans(list(decayed.within(part)), part.stop - part.start)) for part in between]

    def step(
        self,
        gradients: Array,
        lr: float,
        scale: float | Array = 1.0,
        copy: Array | None = None,
        rows: Sequence[Array] | None = None,
    ) -> None:
        """As for every optimiser; `rows` are, table by table, the numbers of the rows whose gradients may not be 0.

        Without them all rows are stepped.
        """
        for part, decayed in self.whole if rows is None else self.beside_tables:
            rounded = None if copy is None else copy[part]
            vectors = (self.values[part], gradients[part], self.total[part])
            adagrad_step(*vectors, lr, self.eps, self.weight_decay, decayed, scale, rounded)
        for table, touched in zip(self.tables, rows, strict=True) if rows is not None else ():
            value, slope, total, rounded = (
                None if vector is None else vector[table.at].reshape(table.rows, table.width)
                for vector in (self.values, gradients, self.total, copy)
            )
            adagrad_rows(value, slope, total, touched, lr, self.eps, scale, rounded)
