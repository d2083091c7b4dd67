"""`mpitrain models`: the networks by name, what they take, and the recipe that trains each."""

from dataclasses import fields

from rich.console import Console
from rich.table import Table

NOT_SHOWN = ("data", "base_batch", "scaling", "decays")
"""Of a recipe: what has a column of its own, and what says how the learning rate fits other batches."""


def models() -> None:
    """List the networks, their data and what they are judged by, and their recipes: options that need not be given."""
    from mpitrain.models import MODELS
    from mpitrain.training.option_types import option

    table = Table("model", "data", "judged by", "recipe", title="--model", title_justify="left")
    for name, model in MODELS.items():
        recipe = model.recipe
        options = []
        for field in fields(recipe):
            value = getattr(recipe, field.name)
            if field.name not in NOT_SHOWN and value not in (None, (), "", 0):
                options.append(
                    f"{option(field.name)} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
                )
        table.add_row(name, f"{model.kind}: {recipe.data}", model.task.score.label, " ".join(options))
    Console().print(table)
