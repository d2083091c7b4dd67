"""`bench --predict FILE`: beside what was measured, what a calibration says that it should take."""

from collections.abc import Sequence
from typing import Any

from mpitrain.cli.bench_options import Options
from mpitrain.cli.calibrate_measure import schedule_of
from mpitrain.cli.calibrate_table import told_errors
from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.errors import UsageError
from mpitrain.tuning.calibration import Calibration
from mpitrain.tuning.calibration_file import of_place, read_calibrations
from mpitrain.tuning.cost_model import Errors
from mpitrain.world import World

Record = dict[str, Any]


def calibration_of(world: World, options: Options) -> Calibration | None:
    """This place's, on rank 0, who tells of it; None if it is not asked for. `UsageError` if there is none."""
    path = options.predict
    if path is None or world.rank != 0:
        return None
    if world.size == 1:
        raise UsageError(f"--predict {path}: one rank sends nothing; start more, as with mpirun -n 2")
    return of_place(read_calibrations(path, "--predict"), world.tuning.place, f"--predict {path}")


def predict(world: World, calibration: Calibration, records: Sequence[Record]) -> None:
    """Each record gets `predicted_us`, and how much that is too much as a share: `error`. None for what is opaque."""
    for record in records:
        model = calibration.models.get(record["engine"])
        record["predicted_us"] = record["error"] = None
        if model is not None and record["algorithm"] != LIBRARY:
            schedule = schedule_of(world, record["collective"], record["algorithm"], record["nbytes"])
            record["predicted_us"] = model.predict(schedule, record["nbytes"]) * 1e6
            record["error"] = record["predicted_us"] / record["quartile_us"] - 1


def table(records: Sequence[Record]) -> str:
    """A line for each run, and the last word."""
    lines = [
        "measured: the lower quartile of the samples, as calibrated; error: predicted / measured - 1",
        f"{'bytes':>11} {'algorithm':<22} {'engine':<6} {'measured us':>12} {'predicted us':>12} {'error':>7}",
    ]
    told = [record for record in records if record["predicted_us"] is not None]
    for record in told:
        lines.append(
            f"{record['nbytes']:>11,} {record['algorithm']:<22} {record['engine']:<6} {record['quartile_us']:>12,.1f} "
            f"{record['predicted_us']:>12,.1f} {record['error']:>+7.1%}"
        )
    if not told:
        return "nothing to predict: the library's steps are its own"
    predicted = [record["predicted_us"] for record in told]
    errors = Errors.of(predicted, [record["quartile_us"] for record in told])
    medians = Errors.of(predicted, [record["median_us"] for record in told])
    lines.append(
        f"{len(told)} runs, absolute error: {told_errors(errors)}; beside the samples' medians: median "
        f"{medians.median:.1%}"
    )
    return "\n".join(lines)
