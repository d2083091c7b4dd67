"""The CUDA sources of `kernels/`, ready for a compiler that knows no paths."""

import re
from importlib import resources

_INCLUDE = re.compile(r'^#include "([^"]+)"$', re.MULTILINE)


def source(name: str) -> str:
    """The text of a file such as "sgd.cu", with the files of `kernels/` that it includes in quotes put in, each once.

    So no compiler needs a path. Lines keep their file and number in its messages (`#line`). FileNotFoundError if there
    is no such file.
    """
    return _expand(_read(name), name, {name})


def expand(text: str, name: str = "kernel") -> str:
    """The same for a text that is in no file, and for the compiler bears this name."""
    return _expand(text, name, set())


def _read(name: str) -> str:
    return (
        resources.files("mpitrain.kernels").joinpath(name).read_text(encoding="utf-8").replace("#pragma once\n", "\n")
    )


def _expand(text: str, name: str, seen: set[str]) -> str:
    parts, start = [f'#line 1 "{name}"\n'], 0
    for include in _INCLUDE.finditer(text):
        parts.append(text[start : include.start()])
        start = include.end()
        if include[1] not in seen:
            seen.add(include[1])
            line = text.count("\n", 0, start) + 2
            parts.append(_expand(_read(include[1]), include[1], seen) + f'\n#line {line} "{name}"')
    return "".join(parts) + text[start:]
