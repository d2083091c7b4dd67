"""Does `auto` choose well where `mpitrain tune` has not been? Tune at powers of 4, then look at sizes in between.

    mpirun -n 2 python benchmarks/tuning_check.py [allreduce bcast ...] [--json FILE]

Both happen in one job. At each size in between all ways are measured in turns, and the one that `auto` takes by the
table is compared with the best of them. A ratio of 1.15 is a choice that takes 15 % longer than the best measured.
"""

import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import cyclopts

from mpitrain.cli.environment import environment
from mpitrain.cli.explain import collectives_of
from mpitrain.cli.json_file import write_json
from mpitrain.cli.tune_measure import measure
from mpitrain.engines import init
from mpitrain.tuning import Tuning, Way, choose
from mpitrain.world import World

TUNED = tuple(4**k for k in range(4, 13))  # 256 bytes to 16 MiB
BETWEEN = tuple(round(share * nbytes / 64) * 64 for nbytes in TUNED[:-1] for share in (1.6, 2.6))
"""Not where `tune` looks of itself if the best way changes: at 2 times, then at 1.4 or 2.8 times a power of 4."""
ABOUT: dict[str, Any] = {}


def main(
    *collectives: str,
    rounds: int = 15,
    json: Annotated[Path | None, cyclopts.Parameter(negative="")] = None,
) -> None:
    """Tune, check, and print a line a size.

    Parameters
    ----------
    collectives
        Such as allreduce bcast; all of them if left away.
    rounds
        Samples of each way when it is tuned; twice as many when it is checked.
    json
        File for the numbers.
    """
    names = collectives_of(collectives)
    with init() as world:
        records = [record for name in names for record in check(world, name, rounds)]
        if world.rank == 0:
            for name in names:
                print(summary(name, [record["ratio"] for record in records if record["collective"] == name]))
            print(summary("all", [record["ratio"] for record in records]))
            if json is not None:
                write_json(json, {"environment": environment(world), "records": records})


def check(world: World, collective: str, rounds: int) -> Iterator[dict[str, Any]]:
    """A record for each size in between that was not visited. Collective."""
    tuning = Tuning(world.tuning.place, {collective: measure(world, collective, TUNED, rounds, ABOUT)})
    found = measure(world, collective, BETWEEN, 2 * rounds, ABOUT, finer=0)
    for at, nbytes in enumerate(found.nbytes):
        choice = choose(collective, nbytes, tuning, engines=world.engines)
        best = min(found.seconds, key=lambda way, at=at: found.seconds[way][at])
        taken, least = found.seconds[Way(choice.engine, choice.algorithm)][at], found.seconds[best][at]
        if world.rank == 0:
            print(
                f"{collective:<14} {nbytes:>11,} bytes  auto {choice.way} {taken * 1e6:,.1f} us, predicted "
                f"{(choice.seconds or 0) * 1e6:,.1f}; best {best} {least * 1e6:,.1f} us: {taken / least:.2f}",
                flush=True,
            )
        yield {
            "collective": collective, "ranks": world.size, "nbytes": nbytes, "taken": str(choice.way),
            "best": str(best), "taken_us": taken * 1e6, "best_us": least * 1e6, "predicted_us": choice.seconds * 1e6,
            "ratio": taken / least,
        }  # fmt: skip


def summary(name: str, ratios: list[float]) -> str:
    worse = sum(ratio > 1.15 for ratio in ratios)
    return (
        f"{name}: {len(ratios)} sizes in between, auto / best: geometric mean {statistics.geometric_mean(ratios):.3f}, "
        f"largest {max(ratios):.2f}, {worse} above 1.15"
    )


if __name__ == "__main__":
    cyclopts.run(main)
