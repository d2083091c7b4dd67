"""The one kind of error that is the user's to mend."""


class UsageError(Exception):
    """A bad argument, file or configuration: what, where, what was expected and how to mend it, in one line.

    The command line prints the line from rank 0 alone, without a traceback, and exits with code 2.
    """
