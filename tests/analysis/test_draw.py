"""The drawn schedules of the catalogue, kept as text in tests/golden, so that a review reads what a change does.

After a change that is meant: MPITRAIN_REGENERATE_GOLDEN=1 python -m pytest tests/analysis/test_draw.py, then read the
difference.
"""

import os
from pathlib import Path

import pytest

from mpitrain.analysis.draw import draw
from mpitrain.collectives.catalogue import CATALOGUE

GOLDEN = Path(__file__).parents[1] / "golden"
# Five ranks have a guest, a root that is neither first nor last, and no symmetry.
# What shows nothing of itself there is drawn at other sizes, or with other parameters.
OTHERWISE = {
    "hierarchical.allreduce": (5, {"ranks_per_node": 3}),
    "hierarchical.reduce_scatter": (5, {"ranks_per_node": 3}),
    "hierarchical.allgather": (5, {"ranks_per_node": 3}),
    "torus.allreduce": (6, {}),
    "recursive_multiplying.allreduce": (7, {"radix": 3}),
    "swing.allreduce": (8, {}),
}
ALGORITHMS = [pytest.param(a, id=str(a)) for family in CATALOGUE.values() for a in family.values()]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_drawings_are_as_they_were(algorithm):
    size, parameters = OTHERWISE.get(str(algorithm), (5, {}))
    schedule = algorithm.schedule(size, **({"root": 2} if algorithm.rooted else {}), **parameters)
    path, text = GOLDEN / f"{algorithm}.txt", draw(schedule) + "\n"
    if os.environ.get("MPITRAIN_REGENERATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.exists(), f"{path.name} is not there: see the head of this file"
    assert text == path.read_text(encoding="utf-8")


def test_nothing_is_kept_that_is_drawn_no_more():
    assert {path.name for path in GOLDEN.glob("*.*.txt")} == {f"{case.values[0]}.txt" for case in ALGORITHMS}
