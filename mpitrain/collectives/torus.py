"""2-D torus: ranks stand in rows and columns, and every ring is short.

A reduce-scatter along the row, an allreduce of the share along the column, an allgather along the row: as few bytes as
one ring around all, in 2 (rows + columns - 2) steps instead of 2 (rows x columns - 1). It is the hierarchical algorithm
with a row as a node and rings in both directions.

    Mikami, Suganuma, U-chupala, Tanaka and Kageyama, Massively distributed SGD: ImageNet/ResNet-50 training in a flash,
    arXiv:1811.05233, 2018
"""

from collections.abc import Iterator

from mpitrain.collectives import hierarchical
from mpitrain.collectives.algorithm import collective
from mpitrain.collectives.nodes import square
from mpitrain.collectives.schedule import ScheduleError, Step


def rows_of(size: int, rows: int) -> int:
    """How many rows; 0 makes the torus as square as can be. `ScheduleError` if they would not be equally long."""
    if rows and (rows < 0 or size % rows):
        raise ScheduleError(f"torus: rows={rows} at size {size}: expected a divisor")
    return rows or square(size)


def chunks_of(size: int, rows: int) -> int:
    """One per rank."""
    return rows_of(size, rows) and size


@collective("allreduce", chunks=chunks_of, rows=0)
def allreduce(rank: int, size: int, rows: int = 0) -> Iterator[Step]:
    """Rank r stands in row r // columns; a prime number of ranks is one ring.

    steps      2 * (p // rows_of(p, rows) - 1) + 2 * (rows_of(p, rows) - 1)
    bytes      2 * n * (p - 1) / p
    roundings  p // rows_of(p, rows) - 1 + rows_of(p, rows) - 1
    alike      yes
    order      any
    sizes      any
    paper      Mikami et al., arXiv:1811.05233, 2018
    """
    columns = size // rows_of(size, rows)
    return hierarchical.allreduce(rank, size, ranks_per_node=columns, inner="ring", outer="ring")
