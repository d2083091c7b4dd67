"""One part of the check, in a process of its own: python part.py NAME DEVICE. Prints rows as they come."""

import sys
from importlib import import_module

import clone

clone.use()

from row import FAILED, Row  # noqa: E402

from mpitrain.device import find  # noqa: E402

if __name__ == "__main__":
    name, device = sys.argv[1:]
    count = 0
    for row in import_module(name).rows(find(device)):
        print(row.line(), flush=True)
        count += 1
    if not count:
        print(Row(name, "all", "nothing was looked at", FAILED).line(), flush=True)
