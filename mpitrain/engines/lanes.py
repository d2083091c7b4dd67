"""A lane: how the ranks of one call, or of all runs of one plan, tell each other how far they are.

Every rank has a cache line with one aligned integer, its flag, which only grows: the number of the call times STRIDE
plus how many groups it is done with. A second line says where its buffers lie, for calls without a plan; it has two
halves, for the call at hand and the next, since a slow rank may still read the one while a quick one writes the other.
"""

import numpy as np

from mpitrain.engines.arena import LINE, Arena

STRIDE = 1 << 20
"""By how much flags grow from one call to the next: more than any program has groups."""

_WORD = 8
_PER_LINE = LINE // _WORD


class Lane:
    """Collective to make. `base` is what the flags count from in the current call, alike on all ranks.

    `room` is the position of `room_bytes` bytes of every rank, for what no caller gave.
    """

    def __init__(self, arena: Arena):
        position = arena.carve(2 * LINE)
        lines = [arena.view(rank, position, 2 * _PER_LINE, np.dtype(np.int64)) for rank in range(arena.size)]
        lines[arena.rank][:] = 0
        self.arena = arena
        self.flags = [line.data for line in lines]
        self.own = self.flags[arena.rank]
        self.base = 0
        self.room, self.room_bytes = 0, 0
        arena.barrier()  # nobody reads a flag before it is 0

    def widen(self, nbytes: int) -> None:
        """Have at least so much room. Collective."""
        if nbytes > self.room_bytes:
            if self.room_bytes:
                self.arena.release(self.room, self.room_bytes)
            self.room, self.room_bytes = self.arena.carve(nbytes), nbytes

    def show(self, positions: tuple[int, int]) -> None:
        """Where this rank's input and output lie, to be read once its flag says that it has entered."""
        at = self._half
        self.own[at], self.own[at + 1] = positions

    def shown(self) -> tuple[tuple[int, int], ...]:
        """Where every rank's lie; all must have entered."""
        at = self._half
        return tuple((words[at], words[at + 1]) for words in self.flags)

    @property
    def _half(self) -> int:
        return _PER_LINE + (self.base // STRIDE % 2) * (_PER_LINE // 2)
