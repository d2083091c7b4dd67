"""`python -m mpitrain train --virtual 64`: the same training on virtual ranks, in one process."""

import os
from pathlib import Path

from mpitrain.cli.bench_options import check_writable
from mpitrain.engines.cores import limit_blas_threads
from mpitrain.engines.virtual.run import run
from mpitrain.engines.virtual.trace import write_trace
from mpitrain.errors import UsageError
from mpitrain.launch_environment import environment_rank
from mpitrain.network import read
from mpitrain.training.config import Config
from mpitrain.training.loop import train


def train_virtual(config: Config, resumed: Path | None) -> None:
    """Train as configured, and say what the virtual world cost. `UsageError` for what the user can mend."""
    assert config.virtual is not None
    launched = environment_rank(os.environ)
    if launched is not None and launched.size != 1:
        raise UsageError(
            f"--virtual {config.virtual}: expected no launcher, found {launched.launcher} with {launched.size} ranks: "
            f"virtual ranks run in one process",
            agreed=True,
        )
    if config.trace is not None:
        check_writable("--trace", config.trace)
    network = read(config.network or "flat")
    try:
        network.check_ranks(config.virtual)
    except ValueError as error:
        raise UsageError(f"--virtual {config.virtual}: {error}") from None
    print(f"{config.virtual} virtual ranks, {network}; {network.speed / 1e9:g} Gflop/s a rank", flush=True)
    limit_blas_threads(1)  # one rank runs at a time, and its bits must not depend on the cores
    traced = config.trace is not None
    outcome = run(lambda world: train(world, config, resumed), config.virtual, network, config.seed, traced)
    print(outcome, flush=True)
    if config.trace is not None:
        write_trace(config.trace, outcome.activities)
