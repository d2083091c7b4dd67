"""What `mpitrain calibrate` finds out about a place: a cost model of each engine, and the flat network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any, NamedTuple

import numpy as np

from mpitrain.analysis.price import price
from mpitrain.network import Network
from mpitrain.tuning.cost_model import CostModel, Sample
from mpitrain.tuning.least_squares import nonnegative
from mpitrain.tuning.measured import Place

APART = 1.15
"""How many times longer a barrier takes where ranks are no longer as near to each other."""

AXES = (Network.flat(1.0, 0.0, 0.0), Network.flat(0.0, 1.0, 0.0), Network.flat(0.0, 0.0, 1.0))


class Flat(NamedTuple):
    """Seconds a message, a byte sent, and a byte reduced: a flat network."""

    alpha: float
    beta: float
    gamma: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """`barrier`: seconds that one took meanwhile, which tells how near ranks are to each other: whether their cores
    share a cache. That follows from how they are bound, and on a virtual machine may change by the minute. `models` by
    engine; `flat`: alpha, beta and gamma of messages, as `mpitrain price` takes them."""

    place: Place
    barrier: float
    models: Mapping[str, CostModel]
    flat: Flat
    machine: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def alike(barrier: float, other: float) -> bool:
    """Whether ranks are as near to each other, going by the seconds of a barrier."""
    return 1 / APART < barrier / other < APART


def with_another(calibrations: Sequence[Calibration], later: Calibration) -> tuple[Calibration, ...]:
    """All of them, with one added, in the stead of one that was made at the same place while ranks were as near."""
    others = [c for c in calibrations if c.place != later.place or not alike(c.barrier, later.barrier)]
    return tuple(sorted([*others, later], key=lambda c: (c.place, c.barrier)))


def nearest(calibrations: Sequence[Calibration], barrier: float) -> Calibration:
    """Of one place: the one that was made when a barrier took most nearly as long."""
    return min(calibrations, key=lambda c: abs(log(c.barrier / barrier)))


def flat_network(samples: Sequence[Sample]) -> Flat:
    """The alpha, beta and gamma with which the samples' prices come nearest to what was measured, relatively."""
    rows = [[float(price(s.schedule, s.nbytes, axis)) / s.seconds for axis in AXES] for s in samples]
    return Flat(*nonnegative(np.array(rows), np.ones(len(rows))).tolist())


def flat_network_text(calibration: Calibration) -> str:
    """The flat network as TOML: seconds a message, a byte sent and a byte reduced."""
    flat = calibration.flat
    return (
        f"# {calibration.place}\n"
        f'topology = "flat"\nalpha = {flat.alpha:.4g}\nbeta = {flat.beta:.4g}\ngamma = {flat.gamma:.4g}\n'
    )
