"""Where the chunks of one call lie in the arena: in the callers' buffers, in stand-ins for those that lie elsewhere,
and in room of the lane's.

    room:  output of ranks whose caller's memory must stay | scratch | stand-in of the input | of the output
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np

from mpitrain.analysis.lowering import Lowered, lower
from mpitrain.analysis.tasks import Place
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Space
from mpitrain.engines.actions import Action, copying
from mpitrain.engines.arena import LINE, Arena
from mpitrain.engines.binding import Piece, cuts_of, even_cuts, scratch_cuts
from mpitrain.engines.call import Call

Positions = Sequence[tuple[int, int]]
"""Of every rank: where its input and its output lie in the arena."""


@lru_cache(maxsize=64)
def lowered_of(algorithm: Algorithm, size: int, root: int) -> Lowered:
    """Kept, since training calls the same collectives again and again."""
    return lower(algorithm.schedule(size, **({"root": root} if algorithm.rooted else {})))


class CallMemory:
    """The memory of one rank's call, once the lane and all ranks' positions are known."""

    def __init__(self, call: Call, algorithm: Algorithm, arena: Arena):
        self._call, self._arena = call, arena
        self.lowered = lowered_of(algorithm, call.size, call.root if algorithm.rooted else 0)
        self._cuts = cuts_of(call.counts) if call.counts else even_cuts(call.array.size, algorithm.chunks(call.size))
        self._scratch = scratch_cuts(self._cuts, self.lowered.scratch)
        self._buffers: dict[Space, np.ndarray] = (
            {INPUT: call.array, OUTPUT: call.received}
            if not algorithm.in_place
            else {INPUT if call.rank in self.lowered.kept else OUTPUT: call.array}
        )
        nbytes = call.array.nbytes
        kept, scratch = nbytes if self.lowered.kept else 0, self._scratch[-1] * call.array.itemsize
        parts = (kept, scratch, nbytes, 0 if algorithm.in_place else nbytes)
        self._room = [0, *accumulate(-(-part // LINE) * LINE for part in parts)]
        self._own = {space: arena.position_of(buffer) for space, buffer in self._buffers.items()}

    @property
    def elsewhere(self) -> bool:
        """Whether this rank's buffers lie outside the arena, one at least."""
        return None in self._own.values()

    def room_bytes(self, elsewhere: bool) -> int:
        """How much room the lane must have, stand-ins included if any rank needs some. Alike on all ranks."""
        return self._room[4 if elsewhere else 2]

    def positions(self, room: int) -> tuple[int, int]:
        """Where this rank's input and output lie, or their stand-ins, if the lane's room is at `room`."""
        found = [room + self._room[2 + number] if own is None else own for number, own in enumerate(self._own.values())]
        return found[0], found[-1]  # which are one, unless the output has memory of its own

    def copies(self, room: int) -> tuple[list[Action], list[Action]]:
        """What to copy to stand-ins before this rank enters, and back once it has left."""
        caller, dtype = self.lowered.callers[self._call.rank], self._call.array.dtype
        there, back = [], []
        positions = dict(zip((INPUT, OUTPUT), self.positions(room), strict=True))
        for space, buffer in self._buffers.items():
            if self._own[space] is not None:
                continue
            stand_in = self._arena.view(self._call.rank, positions[space], buffer.size, dtype)
            for part in self._runs(space, caller.shared & caller.read):
                there.append(copying(buffer[part], stand_in[part]))
            for part in self._runs(space, caller.shared & caller.written):
                back.append(copying(stand_in[part], buffer[part]))
        return there, back

    def view(self, room: int, positions: Positions) -> Callable[[Place], np.ndarray]:
        """From a place to its elements."""
        call, lowered = self._call, self.lowered
        count, dtype = call.array.size, call.array.dtype
        shared = lowered.callers[call.rank].shared
        private = {space: Piece(b, self._cuts) for space, b in self._buffers.items() if self._own[space] is None}
        pieces: dict[tuple[int, Space], Piece] = {}

        def piece(rank: int, space: Space) -> Piece:
            if space is SCRATCH:
                return Piece(self._arena.view(rank, room + self._room[1], self._scratch[-1], dtype), self._scratch)
            kept = space is OUTPUT and rank in lowered.kept
            position = room if kept else positions[rank][space is OUTPUT]
            return Piece(self._arena.view(rank, position, count, dtype), self._cuts)

        def view(place: Place) -> np.ndarray:
            rank, chunks, _ = place
            space = chunks.space
            if rank == call.rank and space in private and (space, chunks.start) not in shared:
                return private[space].view(chunks)
            if (rank, space) not in pieces:
                pieces[rank, space] = piece(rank, space)
            return pieces[rank, space].view(chunks)

        return view

    def _runs(self, space: Space, cells: frozenset[tuple[Space, int]]) -> list[slice]:
        """Ranges of elements that hold these chunks of one space."""
        chunks = sorted(chunk for of, chunk in cells if of is space)
        runs: list[slice] = []
        for chunk in chunks:
            start, stop = self._cuts[chunk], self._cuts[chunk + 1]
            if runs and runs[-1].stop == start:
                start = runs.pop().start
            runs.append(slice(start, stop))
        return runs
