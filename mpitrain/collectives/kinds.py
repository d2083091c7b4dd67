"""The collectives, and what kind of call each is.

Most work in place: what the caller gave becomes what the caller gets. The others read an INPUT and write an OUTPUT:

    gather     every rank gives a block, the root gets all
    scatter    the root gives all blocks, every rank gets its own
    alltoall   every rank gives and gets a block for each rank
"""

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """`reduces`: combines values, and takes an operation. `rooted`: one rank is the root. `by_blocks`: chunk c is rank
    c's, and ranks' blocks may differ in length. `in_place`: input is output. `in_mpi`: the MPI library has it too.
    """

    reduces: bool = False
    rooted: bool = False
    by_blocks: bool = False
    in_place: bool = True
    in_mpi: bool = True


KINDS: Mapping[str, Kind] = {
    "allreduce": Kind(reduces=True),
    "reduce_scatter": Kind(reduces=True, by_blocks=True),
    "allgather": Kind(by_blocks=True),
    "bcast": Kind(rooted=True),
    "reduce": Kind(reduces=True, rooted=True),
    "gather": Kind(rooted=True, by_blocks=True, in_place=False),
    "scatter": Kind(rooted=True, by_blocks=True, in_place=False),
    "alltoall": Kind(by_blocks=True, in_place=False),
    "scan": Kind(reduces=True),
    "exscan": Kind(reduces=True),
    "barrier": Kind(reduces=True),
    "gossip": Kind(in_mpi=False),
}
