"""Where the chunks of one call lie in the arena: in the callers' buffers, in stand-ins for those that lie elsewhere,
and in room of the lane's.

    room:  output of ranks whose caller's memory must stay | scratch | stand-in of the input | of the output
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from mpitrain.analysis.tasks import Place
from mpitrain.collectives.algorithm import Algorithm
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Space
from mpitrain.engines.actions import Action, copying
from mpitrain.engines.arena import LINE, Arena
from mpitrain.engines.binding import Piece
from mpitrain.engines.call import Call
from mpitrain.engines.layout import cuts_of, scratch_cuts
from mpitrain.engines.programs import lowered_of, schedule_of

Positions = Sequence[tuple[int, int]]
"""Of every rank: where its input and its output lie in the arena."""


Buffers = tuple[np.ndarray, ...]
"""What a rank's caller gave: one flat array, or an input and an output."""


class CallMemory:
    """The memory of calls that are alike but for their buffers, as one rank sees it."""

    def __init__(self, call: Call, algorithm: Algorithm, arena: Arena):
        self._rank, self._arena = call.rank, arena
        self.dtype = call.dtype
        self.lowered = lowered_of(algorithm, call.size, call.root)
        self.groups = self.lowered.groups[call.rank]
        self.most_groups = max(len(groups) for groups in self.lowered.groups)
        schedule = schedule_of(algorithm, call.size, call.root)
        self._layout = layout = call.layout(schedule.chunks)
        self._scratch = scratch_cuts(layout.lengths, self.lowered.scratch)
        in_place = INPUT if call.rank in self.lowered.kept else OUTPUT
        self._spaces = (in_place,) if algorithm.kind.in_place else (INPUT, OUTPUT)
        given, gotten = (max(sum(layout.of(rank, space)) for rank in range(call.size)) for space in (INPUT, OUTPUT))
        parts = (gotten if self.lowered.kept else 0, self._scratch[-1], given, 0 if algorithm.kind.in_place else gotten)
        self._room = cuts_of([-(-part * self.dtype.itemsize // LINE) * LINE for part in parts])

    def room_bytes(self, stand_ins: bool) -> int:
        """How much room the lane must have, with stand-ins or without. Alike on all ranks."""
        return self._room[4 if stand_ins else 2]

    def own_positions(self, buffers: Buffers) -> list[int | None]:
        """Where each of this rank's buffers lies in the arena, None if elsewhere."""
        return [self._arena.position_of(buffer) for buffer in buffers]

    def positions(self, own: Sequence[int | None], room: int) -> tuple[int, int]:
        """Where this rank's input and output lie, or their stand-ins, if the lane's room is at `room`."""
        found = [room + self._room[2 + number] if position is None else position for number, position in enumerate(own)]
        return found[0], found[-1]  # which are one, unless the output has memory of its own

    def copies(
        self, buffers: Buffers, own: Sequence[int | None], room: int, whole: bool
    ) -> tuple[list[Action], list[Action]]:
        """What to copy to stand-ins before this rank enters, and back once it has left.

        All that the caller's value matters of, or gets a value, if `whole`; else only as far as other ranks use it.
        """
        there: list[Action] = []
        back: list[Action] = []
        if None not in own:
            return there, back
        caller = self.lowered.callers[self._rank]
        for space, buffer, position, at in zip(self._spaces, buffers, own, self.positions(own, room), strict=False):
            if position is None:
                cuts = self._layout.cuts(self._rank, space)
                stand_in = self._arena.view(self._rank, at, cuts[-1], self.dtype)
                for cells, actions, source, target in (
                    (caller.read, there, buffer, stand_in), (caller.written, back, stand_in, buffer)
                ):  # fmt: skip
                    parts = _runs(cuts, space, cells if whole else cells & caller.shared)
                    actions += [copying(source[part], target[part]) for part in parts]
        return there, back

    def view(
        self, room: int, positions: Positions, private: Mapping[Space, np.ndarray]
    ) -> Callable[[Place], np.ndarray]:
        """From a place to its elements. `private` are buffers elsewhere, used themselves where no other rank does."""
        shared = self.lowered.callers[self._rank].shared
        pieces: dict[tuple[int, Space], Piece] = {}

        def piece(rank: int, space: Space) -> Piece:
            if space is SCRATCH:
                view = self._arena.view(rank, room + self._room[1], self._scratch[-1], self.dtype)
                return Piece(view, self._scratch)
            kept = space is OUTPUT and rank in self.lowered.kept
            position = room if kept else positions[rank][space is OUTPUT]
            cuts = self._layout.cuts(rank, space)
            return Piece(self._arena.view(rank, position, cuts[-1], self.dtype), cuts)

        def view(place: Place) -> np.ndarray:
            rank, chunks, _ = place
            space = chunks.space
            if private and rank == self._rank and space in private and (space, chunks.start) not in shared:
                return Piece(private[space], self._layout.cuts(rank, space)).view(chunks)
            if (rank, space) not in pieces:
                pieces[rank, space] = piece(rank, space)
            return pieces[rank, space].view(chunks)

        return view

    def private(self, buffers: Buffers, own: Sequence[int | None]) -> dict[Space, np.ndarray]:
        """This rank's buffers that lie elsewhere."""
        return {s: b for s, b, position in zip(self._spaces, buffers, own, strict=True) if position is None}


def _runs(cuts: Sequence[int], space: Space, cells: frozenset[tuple[Space, int]]) -> list[slice]:
    """Ranges of elements that hold these chunks of one space."""
    runs: list[slice] = []
    for chunk in sorted(chunk for of, chunk in cells if of is space):
        start, stop = cuts[chunk], cuts[chunk + 1]
        if runs and runs[-1].stop == start:
            start = runs.pop().start
        runs.append(slice(start, stop))
    return runs
