"""Lower bounds as the paper has them, and the sizes at which one algorithm takes over from another."""

from fractions import Fraction
from itertools import pairwise

import pytest

from mpitrain.analysis.estimate import best, bound, curves, reigns
from mpitrain.analysis.estimate.bound import LEAST
from mpitrain.analysis.estimate.lines import highest
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.network import Network

NETWORK = Network.flat(1.5e-6, 8e-11, 5e-11)


@pytest.mark.parametrize("collective", CATALOGUE)
@pytest.mark.parametrize("ranks", [2, 5, 16])
def test_who_reigns_is_the_cheapest_just_there(collective, ranks):
    """On both sides of every crossing, at single bytes, against all prices."""
    found = curves(collective, ranks, NETWORK)
    changes = reigns(found)
    assert changes[0].first == 0
    for change, after in zip(changes, [*changes[1:], None], strict=True):
        sizes = [change.first, change.first + 1, *([after.first - 1] if after else [1 << 34])]
        mine = next(curve for curve in found if curve.name == change.name)
        for nbytes in sizes:
            assert mine.seconds(nbytes) <= best(found, nbytes).seconds(nbytes) * (1 + 1e-12), (change, nbytes)
    for before, change in pairwise(changes):
        loser = next(curve for curve in found if curve.name == before.name)
        assert loser.seconds(change.first + 1) > best(found, change.first + 1).seconds(change.first + 1)


def test_recursive_doubling_meets_halving_doubling_where_the_formulas_say():
    """On 16 ranks: 4 (a + (b + g) n) and 8 a + 15/16 (2 b + g) n."""
    network = Network.flat(Fraction(1), Fraction(1, 100), Fraction(1, 200))
    names = ("recursive_doubling", "halving_doubling")
    found = [curve for curve in curves("allreduce", 16, network) if curve.name in names]
    crossing = 4 / (4 * Fraction(3, 200) - Fraction(15, 16) * Fraction(5, 200))
    assert reigns(found) == [(0, "recursive_doubling"), (int(crossing) + 1, "halving_doubling")]


@pytest.mark.parametrize("collective", LEAST)
def test_nothing_is_below_its_lower_bound(collective):
    for ranks in (2, 3, 7, 8, 12, 16):
        least = bound(collective, ranks, NETWORK)
        for curve in curves(collective, ranks, NETWORK):
            for nbytes in (0, 100, 10**5, 10**8):
                assert curve.seconds(nbytes) >= least.at(nbytes) * (1 - 1e-12), curve.name


def test_the_bounds_of_the_paper():
    """Chan et al. 2007, section 3.1, for p = 8."""
    network = Network.flat(1, 10, 100)
    shares = {
        "allreduce": (2 * 7 / 8, 7 / 8), "reduce_scatter": (7 / 8, 7 / 8), "allgather": (7 / 8, 0), "bcast": (1, 0),
        "reduce": (1, 7 / 8), "gather": (7 / 8, 0), "scatter": (7 / 8, 0),
    }  # fmt: skip
    for collective, (sent, summed) in shares.items():
        assert bound(collective, 8, network)[:3] == (3, 10 * sent, 100 * summed)
    assert bound("gossip", 8, network) is None


def test_envelopes_keep_what_is_highest_somewhere():
    assert highest([(10, 0), (0, 1), (5, 0)]) == ((10, 0), (0, 1))
    assert highest([(10, 0), (4, 1), (0, 2)]) == ((10, 0), (0, 2))  # the middle one only touches
    assert highest([(10, 0), (6, 1), (0, 2)]) == ((10, 0), (6, 1), (0, 2))
    assert highest([(1, 1), (1, 1)]) == ((1, 1),)
