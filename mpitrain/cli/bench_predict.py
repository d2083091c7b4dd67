"""`bench --predict FILE`: beside what was measured, what a calibration says that it should take."""

from collections.abc import Sequence
from typing import Any

from mpitrain.cli.bench_options import Options
from mpitrain.cli.calibrate_measure import schedule_of
from mpitrain.cli.calibrate_table import told_errors
from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.errors import UsageError
from mpitrain.tuning.calibration import Calibration, alike, nearest
from mpitrain.tuning.calibration_file import of_place, read_calibrations
from mpitrain.tuning.cost_model import Errors
from mpitrain.world import World

Record = dict[str, Any]


def calibrations_of(world: World, options: Options) -> tuple[Calibration, ...]:
    """This place's, on rank 0, who tells of them; none if they are not asked for. `UsageError` if there are none."""
    path = options.predict
    if path is None or world.rank != 0:
        return ()
    if world.size == 1:
        raise UsageError(f"--predict {path}: one rank sends nothing; start more, as with mpirun -n 2")
    return of_place(read_calibrations(path, "--predict"), world.tuning.place, f"--predict {path}")


def predict(world: World, calibrations: Sequence[Calibration], records: Sequence[Record]) -> None:
    """Each record gets `predicted_us`, and how much that is too much as a share: `error`. None for what is opaque.

    Of several calibrations the one counts that was made when ranks were most nearly as near to each other as now.
    """
    for record in records:
        model = nearest(calibrations, record["barrier_us"] / 1e6).models.get(record["engine"])
        record["predicted_us"] = record["error"] = None
        if model is not None and record["algorithm"] != LIBRARY:
            schedule = schedule_of(world, record["collective"], record["algorithm"], record["nbytes"])
            record["predicted_us"] = model.predict(schedule, record["nbytes"]) * 1e6
            record["error"] = record["predicted_us"] / record["quartile_us"] - 1


def table(calibrations: Sequence[Calibration], records: Sequence[Record]) -> str:
    """A line for each run, and the last word."""
    told = [record for record in records if record["predicted_us"] is not None]
    if not told:
        return "nothing to predict: the library's steps are its own"
    lines = [
        "measured: the lower quartile of the samples, as calibrated; error: predicted / measured - 1",
        f"{'bytes':>11} {'algorithm':<22} {'engine':<6} {'measured us':>12} {'predicted us':>12} {'error':>7}",
    ]
    for record in told:
        lines.append(
            f"{record['nbytes']:>11,} {record['algorithm']:<22} {record['engine']:<6} {record['quartile_us']:>12,.1f} "
            f"{record['predicted_us']:>12,.1f} {record['error']:>+7.1%}"
        )
    predicted = [record["predicted_us"] for record in told]
    errors = Errors.of(predicted, [record["quartile_us"] for record in told])
    medians = Errors.of(predicted, [record["median_us"] for record in told])
    return "\n".join([
        *lines,
        nearness(calibrations, records),
        f"{len(told)} runs, absolute error: {told_errors(errors)}; beside the samples' medians: median "
        f"{medians.median:.1%}",
    ])  # fmt: skip


def nearness(calibrations: Sequence[Calibration], records: Sequence[Record]) -> str:
    """Whether ranks were as near to each other as when calibrated, going by barriers."""
    now = sorted(record["barrier_us"] for record in records)
    then = sorted(found.barrier * 1e6 for found in calibrations)
    told = f"a barrier took {now[0]:.2f} to {now[-1]:.2f} us, {' or '.join(f'{us:.2f}' for us in then)} when calibrated"
    strange = [us for us in now if not alike(us / 1e6, nearest(calibrations, us / 1e6).barrier)]
    if not strange:
        return told
    return f"{told}: ranks are not as near to each other as they were; calibrate now, and the file holds both"
