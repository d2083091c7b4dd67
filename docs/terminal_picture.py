"""Make docs/terminal.svg from what a terminal shows, colours included:

tmux capture-pane -pe | python docs/terminal_picture.py "make train" > docs/terminal.svg
"""

import io
import sys

from rich.console import Console
from rich.text import Text

screen = Text.from_ansi(sys.stdin.read().rstrip())
console = Console(record=True, width=max(len(line) for line in screen.plain.splitlines()) + 1, file=io.StringIO())
console.print(screen, soft_wrap=True)
print(console.export_svg(title=sys.argv[1]))
