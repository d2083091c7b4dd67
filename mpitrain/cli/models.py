"""`mpitrain models`: the networks by name, what they take, and the recipe that trains each."""

from dataclasses import MISSING, fields
from typing import Any

from rich.console import Console
from rich.table import Table

from mpitrain.models.recipe import Recipe
from mpitrain.training.option_types import option

INNER = ("data", "base_batch", "scaling", "decays")
"""Of a recipe: what has a column of its own, and what says how the learning rate fits other batches."""


def models() -> None:
    """List the networks, their data and what they are judged by, and their recipes: options that need not be given."""
    from mpitrain.models import MODELS

    table = Table("model", "data", "judged by", "recipe", title="--model", title_justify="left")
    for name, model in MODELS.items():
        options = {
            field.name: getattr(model.recipe, field.name)
            for field in fields(model.recipe)
            if field.name not in INNER and getattr(model.recipe, field.name) != field.default
        }
        table.add_row(name, f"{model.kind}: {model.recipe.data}", model.task.score.label, _shown(options))
    common = {
        f.name: f.default for f in fields(Recipe) if f.default not in (MISSING, None, (), 0) and f.name not in INNER
    }
    Console().print(table)
    Console().print(f"And where a recipe says nothing: {_shown(common)}", highlight=False)


def _shown(options: dict[str, Any]) -> str:
    return "  ".join(
        f"{option(name)} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in options.items()
    )
