"""`mpitrain generate RUN`: what a trained gpt goes on with, byte by byte."""

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mpitrain.errors import UsageError
from mpitrain.training.option_types import Whole


def generate(
    run: Path,
    *,
    prompt: str = "The ",
    nbytes: Whole = 400,
    temperature: float = 0.8,
    top: Annotated[Whole | None, Parameter(negative="")] = None,
    seed: Whole = 0,
) -> int:
    """Let the gpt of a run folder write on: python -m mpitrain generate runs/20261125-173837-gpt

    Parameters
    ----------
    run
        Folder of a finished run of --model gpt.
    prompt
        What the text begins with.
    nbytes
        How many bytes to add.
    temperature
        1 draws bytes as often as the network expects them, less favours likely ones, 0 always takes the likeliest.
    top
        Draw among so many of the likeliest only. Default: all.
    seed
        Of the draws.
    """
    for name, value, least in (("nbytes", nbytes, 1), ("temperature", temperature, 0), ("top", top, 1)):
        if value is not None and value < least:
            raise UsageError(f"--{name} {value}: expected {least} or more")
    text = prompt.encode()
    if not text:
        raise UsageError("--prompt: expected some text to begin with, found none")
    model = _model(run)
    write = sys.stdout.buffer.write  # a character may take several bytes
    write(text)
    for byte in _bytes(model, text, temperature, top, np.random.default_rng(seed), nbytes):
        write(bytes([byte]))
        sys.stdout.flush()
    write(b"\n")
    return 0


def _bytes(model: Any, text: bytes, temperature: float, top: int | None, generator: Any, nbytes: int) -> Any:
    """One after the other; the network sees as many of the last as it has positions for."""
    from mpitrain.nn.layer import Call

    longest = model.layers["positions"].longest
    for _ in range(nbytes):
        ids = np.frombuffer(text[-longest:], np.uint8).astype(np.int64)[np.newaxis]
        logits, _ = model.forward(ids, Call(False, forgetting=True))
        byte = _drawn(logits[0, -1].astype(np.float64), temperature, top, generator)
        text += bytes([byte])
        yield byte


def _drawn(logits: np.ndarray, temperature: float, top: int | None, generator: np.random.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    if top is not None and top < len(logits):
        logits = np.where(logits >= np.sort(logits)[-top], logits, -np.inf)
    chances = np.exp((logits - logits.max()) / temperature)
    return int(generator.choice(len(chances), p=chances / chances.sum()))


def _model(run: Path) -> Any:
    """The network of a run, with its weights."""
    from mpitrain.models.gpt import gpt
    from mpitrain.nn.layout import Layout
    from mpitrain.training.config import Config
    from mpitrain.training.run_folder import RunFolder

    folder = RunFolder(run)
    try:
        options = tomllib.loads(folder.config.read_text())
        weights = load_file(folder.weights)
    except (OSError, tomllib.TOMLDecodeError, SafetensorError) as error:
        raise UsageError(f"{run}: {error}; expected the folder of a run that has saved its weights") from None
    if options.get("model") != "gpt":
        raise UsageError(f"{run}: a run of model {options.get('model')}, expected one of gpt")
    size = Config(model="gpt", size=options["size"], sequence=options.get("sequence")).recipe.gpt_size
    model = gpt(size)
    layout = Layout.of(model)
    values = np.empty(layout.count, np.float32)
    for name, view in layout.named(values).items():
        if name not in weights or weights[name].shape != view.shape:
            raise UsageError(f"{folder.weights}: no {name} of shape {view.shape}, expected the weights of this run")
        view[...] = weights[name]
    layout.bind(model, values, np.empty_like(values))
    return model
