"""What `mpitrain calibrate` finds out about a place: a cost model of each engine, and the flat network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpitrain.analysis.network import Network
from mpitrain.analysis.price import price
from mpitrain.tuning.cost_model import CostModel, Sample
from mpitrain.tuning.least_squares import nonnegative
from mpitrain.tuning.measured import Place

AXES = (Network(1.0, 0.0, 0.0), Network(0.0, 1.0, 0.0), Network(0.0, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class Calibration:
    """`models` by engine; `flat`: alpha, beta and gamma of messages, as `mpitrain price` takes them."""

    place: Place
    models: Mapping[str, CostModel]
    flat: Network
    machine: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def with_another(calibrations: Sequence[Calibration], later: Calibration) -> tuple[Calibration, ...]:
    """All places, with one added or replaced."""
    by_place = {found.place: found for found in calibrations} | {later.place: later}
    return tuple(by_place[place] for place in sorted(by_place))


def flat_network(samples: Sequence[Sample]) -> Network:
    """The alpha, beta and gamma with which the samples' prices come nearest to what was measured, relatively."""
    rows = [[float(price(s.schedule, s.nbytes, axis)) / s.seconds for axis in AXES] for s in samples]
    return Network(*nonnegative(np.array(rows), np.ones(len(rows))).tolist())


def flat_network_text(calibration: Calibration) -> str:
    """The flat network as TOML: seconds a message, a byte sent and a byte reduced."""
    flat = calibration.flat
    return (
        f"# {calibration.place}\n"
        f'topology = "flat"\nalpha = {flat.alpha:.4g}\nbeta = {flat.beta:.4g}\ngamma = {flat.gamma:.4g}\n'
    )
