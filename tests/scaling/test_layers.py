"""The tables against what others publish of the same networks, and against the definitions that made them."""

from importlib import resources

import pytest

from mpitrain.scaling.architectures import DEFINITIONS, table
from mpitrain.scaling.layers import MODELS, read

PUBLISHED = {
    "resnet50": (25_557_032, 4.09),
    "resnet101": (44_549_160, 7.80),
    "inception3": (23_834_568, 5.71),
    "vgg16": (138_357_544, 15.47),
    "gpt2": (124_439_808, None),
}
"""Parameters, and 10^9 multiply-adds an image, as torchvision's documentation has them (num_params less Inception's
auxiliary head of 3,326,696; GFLOPS); GPT-2's as counted in OpenAI's checkpoint."""


@pytest.mark.parametrize("model", MODELS)
def test_totals_are_the_published_ones(model):
    layers, (parameters, multiply_adds) = read(model), PUBLISHED[model]
    assert sum(layer.parameters for layer in layers) == parameters
    if multiply_adds is not None:
        assert sum(layer.flops for layer in layers) / 2e9 == pytest.approx(multiply_adds, abs=0.005)


def test_gpt2_computes_what_the_closed_form_says():
    """Forward of a token: 2 flops a parameter of the matrices (embeddings add nothing, the head counts), and 4 T d a
    block for attention over T tokens. Kaplan et al., Scaling laws for neural language models, table 1, with their mask
    left out."""
    width, blocks, tokens, words = 768, 12, 1024, 50257
    matrices = 12 * blocks * width**2 + words * width
    assert sum(layer.flops for layer in read("gpt2")) == tokens * (2 * matrices + 4 * blocks * tokens * width)


@pytest.mark.parametrize(
    ("model", "name", "flops", "parameters"),
    [
        ("vgg16", "classifier.0", 2 * 25088 * 4096, 25088 * 4096 + 4096),
        ("vgg16", "features.28", 2 * 9 * 512 * 512 * 14 * 14, 9 * 512 * 512 + 512),
        ("resnet50", "layer4.0.conv2", 2 * 9 * 512 * 512 * 7 * 7, 9 * 512 * 512),
        ("resnet101", "layer3.0.downsample.0", 2 * 512 * 1024 * 14 * 14, 512 * 1024),
        ("inception3", "Mixed_6b.branch7x7_2.conv", 2 * 7 * 128 * 128 * 17 * 17, 7 * 128 * 128),
        ("inception3", "Mixed_7c.branch3x3_2b.conv", 2 * 3 * 384 * 384 * 8 * 8, 3 * 384 * 384),
        ("gpt2", "h.11.mlp.c_fc", 2 * 768 * 3072 * 1024, 768 * 3072 + 3072),
    ],
)
def test_single_layers_by_hand(model, name, flops, parameters):
    (layer,) = [layer for layer in read(model) if layer.name == name]
    assert (layer.flops, layer.parameters) == (flops, parameters)


@pytest.mark.parametrize(
    ("model", "convolutions"), [("resnet50", 53), ("resnet101", 104), ("inception3", 94), ("vgg16", 13)]
)
def test_numbers_of_convolutions(model, convolutions):
    assert sum(layer.kind == "convolution" for layer in read(model)) == convolutions


def test_the_tables_are_what_the_definitions_say():
    folder = resources.files("mpitrain.scaling") / "tables"
    for model in DEFINITIONS:
        text = (folder / f"{model}.csv").read_text(encoding="utf-8")
        assert text == table(model), "make them anew: python -m mpitrain.scaling.architectures"
    assert tuple(DEFINITIONS) == MODELS


def test_every_table_names_its_source():
    folder = resources.files("mpitrain.scaling") / "tables"
    for model in MODELS:
        first = (folder / f"{model}.csv").read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith("# ") and ("arXiv" in first or "2019" in first)
