"""Networks in exact numbers, and runs of short programs on them."""

from fractions import Fraction

import numpy as np

from mpitrain import virtual
from mpitrain.network import Network

# Numbers that are in no simple relation, so that no two different sums of them agree by chance.
ALPHA, BETA, GAMMA = Fraction(1009, 7), Fraction(3, 1013), Fraction(11, 1019)
FLAT = Network.flat(ALPHA, BETA, GAMMA)
SIMPLE = Network.flat(Fraction(10), Fraction(1), Fraction(0))
"""A message of n bytes takes 10 + n seconds, and reducing none."""


def each(*programs, network=SIMPLE, **options):
    """Run one program on each rank; the outcome."""
    return virtual.run(lambda world: programs[world.rank](world), ranks=len(programs), network=network, **options)


def nothing(world):
    """A rank that has nothing to do."""


def flat(*faults, **options):
    """A message of n bytes takes 10 + n seconds."""
    return Network.flat(Fraction(10), Fraction(1), Fraction(0), faults=faults, **options)


def slow(*stragglers, **options):
    return flat(stragglers=stragglers, **options)


def data(nbytes):
    return np.zeros(nbytes, np.uint8)


def send(nbytes, peer, after=0):
    def program(world):
        if after:
            world.compute(after)
        world.send(data(nbytes), peer)
        return world.now()

    return program


def recv(nbytes, peer, after=0):
    def program(world):
        if after:
            world.compute(after)
        world.recv(data(nbytes), peer)
        return world.now()

    return program


def told(program):
    """The text of the RankFailed that a program gets, and when."""

    def caught(world):
        try:
            return program(world)
        except virtual.RankFailed as error:
            return str(error), world.now()

    return caught


def compute(*seconds):
    def program(world):
        for each_of in seconds:
            world.compute(each_of)
        return world.now()

    return program
