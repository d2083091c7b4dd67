"""What the calls of one engine cost at one place, and its fit to measurements.

    seconds of a call = sum of its terms, each times what it costs

The terms are those of the way through all ranks' parts that takes longest (`longest_way`), so that algorithms which
nobody measured have a price too. Costs are fitted to a few measured algorithms: least squares of relative errors, none
below zero; which way is the longest follows from the costs, so both take turns. Samples that another program disturbed
lose weight as their errors grow: the mean of absolute errors is what gets least.

    Holland and Welsch, Robust regression using iteratively reweighted least-squares,
    Communications in Statistics A6(9), 1977
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mpitrain.collectives.algorithm import Schedule
from mpitrain.tuning.least_squares import nonnegative
from mpitrain.tuning.longest_way import Walk
from mpitrain.tuning.message_parts import message_parts
from mpitrain.tuning.parts import group_parts, in_order
from mpitrain.tuning.terms import COUNTED, FAR, KNOTS, MOVING, NEAR, number_of, place_of, shares

EAGER = (1 << 10, 4 << 10, 8 << 10, 16 << 10, 64 << 10)
"""Bytes from which a message may be long; which it is in an MPI library, the fit finds out."""

LOOK, TURNS = 3, 8
"""How often costs and longest ways take turns: to find out `eager`, and then."""

TYPICAL_COUNT, TYPICAL_BYTE = 3e-7, 1e-11
"""Seconds. What a term costs, roughly: where the fit starts, and against which it weighs differences."""

SMOOTH = 5e-3
"""How much a difference between two neighbouring knots, as large as what is typical, weighs beside a relative error."""

FAINT = 1e-3
"""The same for the costs themselves: what no sample tells of stays 0."""

FINE = 0.03
"""Relative errors below this one count alike."""


class Sample(NamedTuple):
    """Seconds of a call, one of several in a row; `nbytes` are those of the whole buffer."""

    schedule: Schedule
    nbytes: float
    seconds: float


class Errors(NamedTuple):
    """Absolute relative errors."""

    median: float
    mean: float
    largest: float

    @classmethod
    def of(cls, predicted: Sequence[float], measured: Sequence[float]) -> "Errors":
        errors = np.abs(np.array(predicted) / np.array(measured) - 1)
        return cls(float(np.median(errors)), float(errors.mean()), float(errors.max()))


@dataclass(frozen=True, eq=False)
class CostModel:
    """`counted`: seconds of each thing; `moved`: seconds a byte at each knot. `eager`: bytes from which messages are
    long; `tile`: bytes of a call of NumPy in shared memory. `errors`: on the `samples` it was fitted to."""

    engine: str
    eager: int
    tile: int
    counted: Mapping[str, float]
    moved: Mapping[str, tuple[float, ...]]
    samples: int
    errors: Errors

    def predict(self, schedule: Schedule, nbytes: float) -> float:
        """Seconds of a call, in a row of such calls."""
        costs = self._costs()
        return float(_walk(self.engine, schedule, nbytes, self.eager, self.tile).terms(costs) @ costs)

    def per_byte(self, term: str, own: float, everywhere: float) -> float:
        """Seconds a byte, where a rank touches `own` bytes of those that are touched `everywhere`."""
        return float(shares(own, everywhere) @ self.moved[term])

    def _costs(self) -> np.ndarray:
        return np.concatenate([
            [self.counted[term] for term in COUNTED[self.engine]],
            *(self.moved[term] for term in MOVING[self.engine]),
        ])  # fmt: skip


def fit(engine: str, samples: Sequence[Sample], tile: int) -> CostModel:
    """The model of the samples' place."""
    measured = np.array([sample.seconds for sample in samples])

    def walks(eager: int) -> list[Walk]:
        return [_walk(engine, sample.schedule, sample.nbytes, eager, tile) for sample in samples]

    def errors(walks: Sequence[Walk], costs: np.ndarray) -> Errors:
        return Errors.of([float(walk.terms(costs) @ costs) for walk in walks], measured.tolist())

    looks = {}
    for eager in EAGER if engine == "mpi" else EAGER[:1]:
        found = walks(eager)
        looks[eager] = errors(found, _fitted(engine, found, measured, LOOK)).mean
    eager = min(looks, key=lambda eager: looks[eager])
    found = walks(eager)
    costs = _fitted(engine, found, measured, TURNS)
    first = len(COUNTED[engine])
    counted = dict(zip(COUNTED[engine], costs[:first].tolist(), strict=True))
    rows = costs[first:].reshape(-1, len(KNOTS)).tolist()
    moved = {term: tuple(row) for term, row in zip(MOVING[engine], rows, strict=True)}
    return CostModel(engine, eager, tile, counted, moved, len(samples), errors(found, costs))


def _walk(engine: str, schedule: Schedule, nbytes: float, eager: int, tile: int) -> Walk:
    parts = message_parts(schedule, nbytes, eager) if engine == "mpi" else group_parts(schedule, nbytes, tile)
    return Walk(engine, in_order(parts))


def _fitted(engine: str, walks: Sequence[Walk], measured: np.ndarray, turns: int) -> np.ndarray:
    typical = np.full(number_of(engine), TYPICAL_BYTE)
    typical[: len(COUNTED[engine])] = TYPICAL_COUNT
    costs, weights = typical, np.ones(len(walks))
    prior = _prior(engine, typical, len(walks))
    for _ in range(turns):
        relative = np.array([walk.terms(costs) for walk in walks]) / measured[:, None]
        wanted = np.concatenate([weights, np.zeros(len(prior))])
        costs = nonnegative(np.concatenate([relative * weights[:, None], prior]), wanted)
        errors = np.abs(relative @ costs - 1)
        weights = np.sqrt(FINE / np.maximum(errors, FINE))
    return costs


def _prior(engine: str, typical: np.ndarray, samples: int) -> np.ndarray:
    """Rows that want differences between neighbouring knots, and all costs, to be 0, if only faintly."""
    smooth = []
    for term in MOVING[engine]:
        for knot in [*range(len(NEAR) - 1), *range(len(NEAR), len(NEAR) + len(FAR) - 1)]:
            row = np.zeros(len(typical))
            at = place_of(engine, term, knot)
            row[at], row[at + 1] = -1, 1
            smooth.append(row * SMOOTH * np.sqrt(samples) / typical[at])
    return np.concatenate([smooth, np.diag(FAINT / typical)])
