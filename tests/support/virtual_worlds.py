"""Networks in exact numbers, and runs of short programs on them."""

from fractions import Fraction

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
