"""Options from files: `--config run.toml`, and the configuration of a run that `--resume` goes on with."""

import tomllib
from pathlib import Path

from cyclopts import App, ArgumentCollection
from cyclopts.config import Dict

from mpitrain.errors import UsageError

CHANGEABLE = ("--resume", "--steps", "--progress")
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
        content = _read(Path(resume) / "config.toml", f"--resume {resume}: expected the folder of a run")
        content.pop("steps", None)
        _apply(app, commands, arguments, content, str(Path(resume) / "config.toml"))
    elif config is not None:
        _apply(app, commands, arguments, _read(Path(config), f"--config {config}"), config)


def _given(arguments: ArgumentCollection, name: str) -> str | None:
    argument = next((argument for argument in arguments if argument.name == name), None)
    return argument.tokens[0].value if argument is not None and argument.tokens else None


def _read(path: Path, what: str) -> dict:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"{what}: cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{what}: {path} is not TOML: {error}") from None


def _apply(app: App, commands: tuple[str, ...], arguments: ArgumentCollection, content: dict, source: str) -> None:
    names = {argument.name for argument in arguments if argument.name.startswith("--")}
    known = sorted(name[2:] for name in names - {"--config", "--resume"})
    for key in content:
        if key not in known:
            raise UsageError(f"{source}: unknown key {key!r}: expected some of {', '.join(known)}")
    Dict(content, source=source, use_commands_as_keys=False)(app, commands, arguments)
