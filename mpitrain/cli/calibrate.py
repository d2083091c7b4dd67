"""`mpirun -n 2 python -m mpitrain calibrate`: what our own engines cost here, so that times can be told before."""

import time
from pathlib import Path

from mpitrain.cli.bench_options import check_room, check_writable
from mpitrain.cli.calibrate_measure import MEASURED, measure
from mpitrain.cli.calibrate_table import table
from mpitrain.cli.environment import environment
from mpitrain.cli.explain import Sizes, sizes_of
from mpitrain.cli.whole_file import write_whole
from mpitrain.errors import UsageError
from mpitrain.training.agreement import agreed
from mpitrain.training.option_types import Whole
from mpitrain.tuning.calibration import Calibration, flat_network, flat_network_text, with_another
from mpitrain.tuning.calibration_file import as_text, read_calibrations
from mpitrain.tuning.cost_model import Sample, fit
from mpitrain.world import World


def calibrate(
    *,
    nbytes: Sizes = ("768", "3K", "12K", "48K", "192K", "768K", "3M", "6M", "12M", "24M", "48M", "96M"),
    out: Path = Path("calibration.json"),
    rounds: Whole = 15,
) -> None:
    """Fit what our engines cost on these ranks: each message and step, and each byte where it lies.

    Ten algorithms are measured on each engine, as plans on float32 in memory from world.empty; bench --predict FILE
    then tells what any algorithm should take. A file may hold several places, such as 2 and 8 ranks. Beside it, with
    the suffix .toml, goes the flat network that comes nearest: alpha, beta and gamma.

    Parameters
    ----------
    nbytes
        Sizes of the whole buffer, such as 64K,1M or 64K 1M; what is told of sizes beyond them is a guess.
    out
        File to write to.
    rounds
        Samples of each way, spread over three turns.
    """
    sizes = sizes_of(nbytes)
    if rounds < 1:
        raise UsageError(f"--rounds {rounds}: expected 1 or more")
    if out.suffix == ".toml":
        raise UsageError(f"--out {out}: expected another suffix, since the flat network goes to .toml")
    from mpitrain.engines import init

    with init() as world:
        earlier = agreed(world, lambda: _check(world, out, sizes))
        samples, barrier = measure(world, sizes, rounds)
        about = {
            "date": time.strftime("%Y-%m-%d"),
            "dtype": "float32",
            "memory": "world.empty",
            "rounds": rounds,
            "nbytes": sizes,
            "algorithms": [f"{collective} {name}" for collective, names in MEASURED.items() for name in names],
        }
        agreed(world, lambda: _write(world, out, earlier, barrier, samples, about))


def _check(world: World, out: Path, sizes: list[int]) -> tuple[Calibration, ...]:
    """What the file holds already. `UsageError` where measuring would be in vain."""
    if world.size == 1:
        raise UsageError("calibrate: one rank sends nothing; start more, as with mpirun -n 2")
    check_room(world, max(sizes))
    if world.rank != 0:
        return ()
    for path in (out, out.with_suffix(".toml")):
        check_writable("--out", path)
    return read_calibrations(out, "--out") if out.exists() else ()


def _write(
    world: World,
    out: Path,
    earlier: tuple[Calibration, ...],
    barrier: float,
    samples: dict[str, list[Sample]],
    about: dict[str, object],
) -> None:
    if world.rank != 0:
        return
    from mpitrain.engines.tiles import TILE

    facts = environment(world)
    calibration = Calibration(
        world.tuning.place,
        barrier,
        {engine: fit(engine, found, TILE) for engine, found in samples.items()},
        flat_network(samples["mpi"]),
        {key: facts[key] for key in ("cores", "cpu", "python", "numpy", "mpitrain")},
        about,
    )
    network = out.with_suffix(".toml")
    write_whole("--out", out, as_text(with_another(earlier, calibration)))
    write_whole("--out", network, flat_network_text(calibration))
    print(f"\n{table(calibration)}")
    print(f"\n{out}: use it with mpitrain bench --predict {out}; {network}: the flat network")
