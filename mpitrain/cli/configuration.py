"""Options from files: `--config run.toml`, and the configuration of a run that `--resume` goes on with."""

import tomllib
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from mpitrain.errors import UsageError
from mpitrain.training.config import Config
from mpitrain.training.option_types import option
from mpitrain.training.run_folder import RunFolder

CHANGEABLE = ("--resume", "--steps", "--progress", "--explain", "--stall-warn", "--stall-abort")
"""What may be given anew when a run is resumed: it changes nothing about the numbers."""


def from_toml(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Give options that the command line leaves open the values of the file, as if they had been typed."""
    config, resume = _given(arguments, "--config"), _given(arguments, "--resume")
    if resume is not None:
        for argument in arguments:
            if argument.tokens and argument.name not in CHANGEABLE:
                raise UsageError(
                    f"{argument.name} cannot change when a run is resumed: it goes on as its config.toml says; "
                    f"leave it away, or start a new run"
                )
        path = RunFolder(Path(resume)).config
        content = _read(path, f"--resume {resume}: expected the folder of a run")
        content.pop("steps", None)
        _apply(app, commands, arguments, content, str(path))
    elif config is not None:
        _apply(app, commands, arguments, _read(Path(config), f"--config {config}"), config)


def _given(arguments: ArgumentCollection, name: str) -> str | None:
    argument = next((argument for argument in arguments if argument.name == name), None)
    return argument.tokens[0].value if argument is not None and argument.tokens else None


def _read(path: Path, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{what}: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{what}: {path} is not TOML: {error}") from None


def _apply(
    app: App, commands: tuple[str, ...], arguments: ArgumentCollection, content: dict[str, Any], source: str
) -> None:
    hints = {option(name)[2:]: hint for name, hint in get_type_hints(Config).items()}
    for key, value in content.items():
        if key not in hints:
            raise UsageError(f"{source}: unknown key {key!r}: expected some of {', '.join(sorted(hints))}")
        expected = _expected(hints[key])
        if not _fits(value, expected):
            raise UsageError(f"{source}: {key} = {value!r}: expected {expected}")
    Dict(content, source=source, use_commands_as_keys=False)(app, commands, arguments)


KINDS: dict[Any, tuple[str, tuple[type, ...]]] = {
    bool: ("true or false", (bool,)),
    int: ("a whole number", (int,)),
    float: ("a number", (int, float)),
    tuple[int, ...]: ("a list of whole numbers", (list,)),
}
"""What a field of this type looks like in TOML; all others are text."""


def _expected(hint: Any) -> str:
    options = [
        kind for kind in (get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)) if kind is not NoneType
    ]
    return KINDS.get(options[0], ("text", (str,)))[0]


def _fits(value: object, expected: str) -> bool:
    kinds = next((kinds for text, kinds in KINDS.values() if text == expected), (str,))
    if isinstance(value, list):
        return list in kinds and all(_fits(element, "a whole number") for element in value)
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)
