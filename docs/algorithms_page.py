"""Make docs/algorithms.md from the cards of the catalogue: python docs/algorithms_page.py"""

from pathlib import Path

from mpitrain.analysis import card
from mpitrain.collectives.algorithm import Algorithm, spell
from mpitrain.collectives.catalogue import CATALOGUE

HEAD = """\
# Algorithms

Every algorithm of the catalogue, as its card says; this page is made from the cards, and a test compares each of them
with its schedule, proved at all sizes from 1 to 33 and at 64. p are the ranks, n the bytes of the whole, core the
largest power of two up to p, guests the p - core ranks beyond it. Steps are those that must follow each other, bytes
those sent by the rank that sends most. Algorithms that keep rank order take operations that do not commute.

`mpitrain draw COLLECTIVE --algorithm NAME -n RANKS` draws one, `mpitrain prove` proves it and prints the whole card.
Parameters are given in the name: `--algorithm "chain(segments=16)"`. Left out, `segments` follow from the size of the
data, `ranks_per_node` from the machine.
"""

COLUMNS = """\
| algorithm | steps | bytes | rank order | paper |
| --- | --- | --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_section(collective, family) for collective, family in CATALOGUE.items())


def _section(collective: str, family: dict[str, Algorithm]) -> str:
    rows = "".join(_row(algorithm) for algorithm in family.values())
    return f"\n## {collective}\n\n{COLUMNS}{rows}"


def _row(algorithm: Algorithm) -> str:
    claims = card.read(algorithm)
    parameters = ", ".join(f"{name}={spell(value)}" for name, value in algorithm.parameters)
    name = f"`{algorithm.name}({parameters})`" if parameters else f"`{algorithm.name}`"
    order = "kept" if claims["order"] == "rank" else "any"
    return f"| {name} | `{claims['steps']}` | `{claims['bytes']}` | {order} | {claims['paper']} |\n"


if __name__ == "__main__":
    Path(__file__).with_name("algorithms.md").write_text(page(), encoding="utf-8")
