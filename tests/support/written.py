"""Schedules written step by step, for what the catalogue has not."""

from mpitrain.collectives.algorithm import Algorithm, whole
from mpitrain.collectives.schedule import LEFT, Reduce, Send, Step


def written(collective, *programs, chunks=whole, card="", **traits):
    """A schedule from every rank's steps."""

    def steps(rank, size):
        return iter(programs[rank])

    steps.__doc__ = card
    return Algorithm(collective, "written", steps, chunks, **traits).schedule(len(programs))


SWAP = [Step(send=[Send(1, 0)], recv=[Reduce(1, 0)])], [Step(send=[Send(0, 0)], recv=[Reduce(0, 0, side=LEFT)])]
"""Two ranks that send and add in one step."""
