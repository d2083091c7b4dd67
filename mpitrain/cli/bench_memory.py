"""`python -m mpitrain bench memory --model gpt`: what a step must keep in memory, and the most that it takes."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from mpitrain.cli.json_file import write_json
from mpitrain.training.config import Config
from mpitrain.training.option_types import Whole
from mpitrain.world import World

DEFAULTS = Config()


def memory(
    *,
    top: Whole = 5,
    json: Annotated[Path | None, Parameter(negative="")] = None,
    options: Annotated[Config, Parameter(name="*")] = DEFAULTS,
) -> None:
    """Count what a step of training must keep in memory, and the most that it takes: docs/memory.md says how.

    With the options of train. One table, for rank 0.

    Parameters
    ----------
    top
        How many layers to name, of those that keep most for the backward.
    json
        File for the numbers: bytes, of all layers.
    """
    config = options.completed()
    from mpitrain.engines import init
    from mpitrain.training.agreement import agreed

    with init(config.engine, tuning=config.tuning) as world:
        measured = _measured(world, config)
        if world.rank == 0:
            Console().print(table(measured, top))
        agreed(world, lambda: write_json(json, measured) if json is not None and world.rank == 0 else None)


def _measured(world: World, config: Config) -> dict[str, Any]:
    """What was counted, and of what. Collective."""
    from mpitrain.data import load
    from mpitrain.device import find
    from mpitrain.engines.transport import reach_devices
    from mpitrain.training.agreement import agreed
    from mpitrain.training.footprint import footprint

    dataset = agreed(world, lambda: load(config.recipe.data, config.data_dir, sequence=config.recipe.gpt_size.sequence))
    if config.device == "cpu":
        found = footprint(world, config, dataset, find("cpu"))
    else:
        device = agreed(world, lambda: find(config.device, world.node_rank))
        with reach_devices(world, device) as reaching:
            found = footprint(reaching, config, dataset, device)
    return {
        "model": config.model,
        "ranks": world.size,
        "global_batch": found.samples,
        "precision": config.precision,
        "device": config.device,
        "kept": dict(found.kept),
        "kept_total": found.total,
        "peak": found.peak,
        "ratio": found.ratio,
        "resident": found.resident,
        "layers": dict(found.layers),
    }


def table(measured: dict[str, Any], top: int) -> Table:
    """Bytes of each kind, the layers that keep most, their sum, the peak and the ratio."""
    ranks = f", {measured['ranks']} ranks" if measured["ranks"] > 1 else ""
    found = Table(
        title=f"{measured['model']}, batch {measured['global_batch']}{ranks}, {measured['precision']}, on "
        f"{measured['device']}: bytes of rank 0",
        title_justify="left",
    )
    found.add_column("kept during a step")
    found.add_column("bytes", justify="right")
    found.add_column("of the sum", justify="right")
    whole = measured["kept_total"]

    def row(name: str, size: int) -> None:
        found.add_row(name, f"{size:,}", f"{size / whole:.1%}")

    for name, size in measured["kept"].items():
        row(name, size)
        if name == "for the backward":
            most = sorted(measured["layers"].items(), key=lambda layer: -layer[1])
            for path, of_layer in most[:top]:
                row(f"    {path}", of_layer)
            if len(most) > top:
                row(f"    {len(most) - top} others", sum(of_layer for _, of_layer in most[top:]))
    found.add_section()
    row("sum", whole)
    row("peak of a step", measured["peak"])
    if measured["resident"] is not None:
        row("  resident, by the kernel", measured["resident"])
    found.add_section()
    found.add_row("peak / sum", "", f"{measured['ratio']:.2f}")
    return found
