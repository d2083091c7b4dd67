"""The errors that are no bug: what the user can mend, and a training run that went wrong by its numbers."""


class UsageError(Exception):
    """A bad argument, file or configuration: what, where, what was expected and how to mend it, in one line.

    The command line prints the line without a traceback and exits with code 2. `agreed`: every rank raises it, so that
    rank 0 alone need speak; else the rank that raises it must end the job.
    """

    def __init__(self, text: str, agreed: bool = False):
        super().__init__(text)
        self.agreed = agreed


class Diverged(Exception):
    """The loss or a gradient is no number any more; raised on every rank. One line, exit code 1."""

    agreed = True


class CollectiveMismatch(Exception):
    """In checked mode: the ranks are about to make different collective calls. Raised on every rank, before any call.

    The text is alike on all ranks. `first`: no lower rank raises it, so that this one may speak for all.
    """

    def __init__(self, text: str, first: bool = True):
        super().__init__(text)
        self.first = first


class RankFailed(Exception):
    """Another rank is gone for good, and what this one waited for will never come."""

    def __init__(self, rank: int, when: object, waited_for: str):
        super().__init__(f"rank {rank} crashed at {float(when):g} s: {waited_for} will never end")  # type: ignore[arg-type]
        self.rank = rank


class Deadlock(Exception):
    """All ranks that are left wait for each other, or for what never comes. The text says which for what, and where."""
