"""What `mpitrain calibrate` prints: costs in the words of the textbooks, and how well they fit."""

from collections.abc import Callable

from mpitrain.tuning.calibration import Calibration
from mpitrain.tuning.choice import size_in_words
from mpitrain.tuning.cost_model import CostModel
from mpitrain.tuning.terms import COUNTED, KIB, MIB

SIZES = (16 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 64 * MIB)
"""Bytes that each rank touches; all ranks together that many times as much."""

RATES: dict[str, dict[str, dict[str, int]]] = {
    "shared": {
        "copy": {"copy": 1, "read_own": 1, "write": 1},
        "copy what another wrote": {"copy": 1, "read_other": 1, "write": 1},
        "sum (gamma)": {"combine": 1, "read_own": 2, "write": 1},
    },
    "mpi": {
        "receive (beta)": {"pull": 1, "read_own": 1, "write": 1},
        "receive what another wrote": {"pull": 1, "read_other": 1, "write": 1},
        "sum (gamma)": {"combine": 1, "read_own": 2, "write": 1},
    },
}
"""By engine: what is done with a byte, and the terms of its cost."""

ALPHA: dict[str, dict[str, int]] = {
    "shared": {"group": 1, "wait": 1, "post": 1, "signal": 1},
    "mpi": {"stage": 1, "send": 1, "receive": 1, "signal": 1},
}
LONG = {"stage": 1, "send_long": 1, "receive_long": 1, "signal": 1}


def table(calibration: Calibration) -> str:
    """All engines, and the flat network."""
    flat = calibration.flat
    lines = [f"{calibration.place}; a barrier takes {calibration.barrier * 1e6:.2f} us"]
    for model in calibration.models.values():
        lines += ["", *_engine(calibration, model)]
    lines += [
        "",
        f"flat network: --alpha {flat.alpha:.3g} --beta {flat.beta:.3g} --gamma {flat.gamma:.3g}, for mpitrain price",
    ]
    return "\n".join(lines)


def _engine(calibration: Calibration, model: CostModel) -> list[str]:
    ranks, engine = calibration.place.ranks_per_node, model.engine
    alpha = sum(times * model.counted[term] for term, times in ALPHA[engine].items())
    if engine == "mpi":
        long = sum(times * model.counted[term] for term, times in LONG.items())
        told = f"alpha: {alpha * 1e6:.2f} us a message, {long * 1e6:.2f} us from {size_in_words(model.eager)} on"
    else:
        told = f"alpha: {alpha * 1e6:.2f} us for another rank to be waited for"
    costs = ", ".join(f"{term} {model.counted[term] * 1e6:.2f}" for term in COUNTED[engine] if term != "short_bytes")
    return [
        f"engine {engine}: {told}",
        f"  us: {costs}",
        f"  {'GB/s, of bytes that a rank touches':<36}" + "".join(f"{size_in_words(size):>9}" for size in SIZES),
        *(
            f"  {name:<36}" + "".join(f"{_rate(model, terms, size, ranks):>9}" for size in SIZES)
            for name, terms in RATES[engine].items()
        ),
        f"  fitted to {model.samples} runs; absolute error: {told_errors(model.errors)}",
    ]


def _rate(model: CostModel, terms: dict[str, int], own: float, ranks: int) -> str:
    per_byte = sum(times * model.per_byte(term, own, ranks * own) for term, times in terms.items())
    return f"{1e-9 / per_byte:.1f}" if per_byte else "-"


def told_errors(errors: tuple[float, float, float], name: Callable[[float], str] = "{:.1%}".format) -> str:
    median, mean, largest = map(name, errors)
    return f"median {median}, mean {mean}, largest {largest}"
