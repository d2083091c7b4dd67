"""How many calls this process has made, over all its worlds.

To count is all that a call pays for the stall report: what a rank waits in, and from where it was called, is read off
the stack of its main thread, once it has waited for long.
"""


class Tally:
    """Counts that only grow, but for `worlds`, those open. While none changes, the process has got nowhere.

    `collectives` were called, alike on ranks in step; `messages` are the caller's own; works have `begun` and `ended`.
    """

    __slots__ = ("begun", "collectives", "ended", "messages", "worlds")

    def __init__(self) -> None:
        self.collectives = self.messages = self.begun = self.ended = self.worlds = 0

    def stamp(self) -> tuple[int, ...]:
        return self.collectives, self.messages, self.begun, self.ended, self.worlds


TALLY = Tally()
