"""docs/scaling.md shows what the commands on it print today."""

import re
import shlex
from pathlib import Path

import pytest

from mpitrain.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"```\n\$ mpitrain (scale [^\n]*)\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.parametrize("command", SHOWN)
def test_output_on_the_page(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(shlex.split(command))
    lines = [line.rstrip() for line in capsys.readouterr().out.strip("\n").splitlines()]
    assert "\n".join(lines) + "\n" == SHOWN[command]


def test_it_shows_something():
    assert len(SHOWN) == 2
