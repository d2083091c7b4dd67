"""Pages that are made from the code are as the code is."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def test_the_page_of_algorithms_shows_their_cards():
    page = runpy.run_path(str(DOCS / "algorithms_page.py"))["page"]
    assert (DOCS / "algorithms.md").read_text(encoding="utf-8") == page(), (
        "make it anew: python docs/algorithms_page.py"
    )
