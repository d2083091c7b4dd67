"""Where in the user's program a call was made, as `file.py:line`."""

import sys
from pathlib import Path
from types import FrameType

PACKAGE = Path(__file__).parent.parent
INSIDE = (str(PACKAGE / "engines"), str(PACKAGE / "world.py"))
"""Where a World's own code lies."""

COMMAND_LINE = str(PACKAGE / "cli")


def call_site(frame: FrameType | None = None) -> str:
    """The first frame outside mpitrain, from `frame` (by default: the caller's) outwards.

    Under our own command line that is none of the user's, and the first outside the World's own code says more.
    """
    first = nearest = None
    here: FrameType | None = frame or sys._getframe(1)
    while here is not None:
        name = here.f_code.co_filename
        if nearest is None and not name.startswith(INSIDE):
            nearest = here
        if name.startswith(COMMAND_LINE):
            first = nearest
            break
        if first is None and not name.startswith(str(PACKAGE)):
            first = here
        here = here.f_back
    found = first or nearest
    return "nowhere" if found is None else place(found)


def place(frame: FrameType) -> str:
    """`file.py:line`, the file as seen from the working directory if it lies below."""
    path = Path(frame.f_code.co_filename)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{frame.f_lineno}"
