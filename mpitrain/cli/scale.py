"""`mpitrain scale --model resnet101 --network cluster --ranks 1..4096`: how far training scales, from tables."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mpitrain.cli.json_file import write_json
from mpitrain.cli.scale_options import Asked, Options, understood

if TYPE_CHECKING:
    from mpitrain.scaling.assumptions import Assumption
    from mpitrain.scaling.load import Load
    from mpitrain.scaling.sweep import Exchanges, Point

DEFAULTS = Options()


def scale(*, options: Annotated[Options, Parameter(name="*")] = DEFAULTS) -> None:
    """Say how far data-parallel training scales, the same batch a rank. Measures nothing, needs no MPI.

    Computing follows from tables of layers, exchanges from an algorithm's price on the network, and what of them shows
    from buckets that go out while backward still runs. Without overlap all would wait for its end.
    """
    asked = understood(options)
    from rich.console import Console

    from mpitrain.cli.scale_table import comparison, listed, results
    from mpitrain.scaling import assumptions, horovod
    from mpitrain.scaling.load import load
    from mpitrain.scaling.sweep import sweep

    console = Console()
    console.print(f"{asked.network}", highlight=False, soft_wrap=True)
    loads = {model: load(model, asked.network, asked.batch, asked.speed, asked.samples) for model in asked.models}
    points = partial(sweep, exchanges=exchanges_of(asked), bucket_bytes=asked.bucket_bytes, cycle=asked.cycle)
    swept = {model: points(of_model, asked.ranks) for model, of_model in loads.items()}
    for model, of_model in loads.items():
        console.print()
        console.print(results(model, of_model, swept[model]))
    rests_on, published = list(assumptions.MODEL), []
    if asked.network.speeds or asked.network.stragglers or asked.network.faults:
        rests_on.append(assumptions.NOT_MODELLED)
    if not all(point.exact for of_model in swept.values() for point in of_model):
        rests_on.append(assumptions.BOUND)
    if horovod.is_machine(asked.network):
        rests_on += [entry for entry in assumptions.MACHINE if _holds(entry, options)]
        published = beside_published(points, loads)
    if published:
        console.print()
        console.print(comparison(published))
    console.print(f"\nThis rests on:\n{listed(rests_on)}", highlight=False, soft_wrap=True)
    if options.json is not None:
        of_models = {model: [record(point) for point in of_model] for model, of_model in swept.items()}
        content = {"network": str(asked.network), "models": of_models, "published": published}
        write_json(options.json, content | {"assumptions": [[told, source] for told, source, _ in rests_on]})
    if options.plot is not None:
        from mpitrain.cli.scale_plot import draw

        draw(options.plot, asked.network, swept, published)


def _holds(assumption: "Assumption", options: Options) -> bool:
    return all(getattr(options, name) == getattr(DEFAULTS, name) for name in assumption.options)


def exchanges_of(asked: Asked) -> "Exchanges":
    """Each number of ranks is priced once for all models."""
    from mpitrain.scaling.exchange import cheapest

    return cache(lambda ranks: cheapest(asked.algorithms, ranks, asked.network))


def beside_published(
    points: "Callable[[Load, Iterable[int]], list[Point]]", loads: "dict[str, Load]"
) -> list[dict[str, Any]]:
    """A record for each figure that Horovod's authors have published of these models."""
    from mpitrain.scaling import horovod

    records = []
    for model, load in loads.items():
        known = {ranks: of_models[model] for ranks, of_models in horovod.EFFICIENCY.items() if model in of_models}
        for point in points(load, known):
            records.append({"model": model, **record(point), "published": known[point.ranks]})
    return sorted(records, key=lambda found: found["ranks"])


def record(point: "Point") -> dict[str, Any]:
    """For JSON: seconds, samples a second, and shares of 1."""
    return {
        "ranks": point.ranks,
        "step_s": point.step.seconds,
        "computing_s": point.step.computing,
        "exposed_s": point.step.exposed,
        "exchanging_s": point.step.exchanging,
        "buckets": len(point.step.exchanges),
        "samples_a_second": point.samples_a_second,
        "efficiency": point.efficiency,
        "bare_efficiency": point.bare_efficiency,
        "algorithms": point.algorithms,
        "exact": point.exact,
    }
