"""`bench memory`: what is kept adds up, against sizes by hand; the peak is a measurement, held to wide margins."""

import json

import pytest

from mpitrain.cli.bench_memory import table
from mpitrain.data import load
from mpitrain.device import find
from mpitrain.engines.solo import SoloWorld
from mpitrain.engines.transport import reach_devices
from mpitrain.training.config import Config
from mpitrain.training.footprint import footprint

PARAMETERS = 785 * 128 + 129 * 10
MLP = {
    "parameters": 4 * PARAMETERS,
    "gradients": 4 * PARAMETERS,
    "state of the optimiser": 4 * PARAMETERS,
    "order of the samples": 8 * 5000,
    "batch": 32 * (4 * 784 + 8),
    "for the backward": 32 * 4 * 128,
}


def of(**options):
    config = Config(**options).completed()
    return footprint(SoloWorld(), config, load(config.recipe.data), find("cpu"))


def test_an_mlp_by_hand(mpitrain, tmp_path):
    code, out, err = mpitrain("bench", "memory", "--model", "mlp", "--json", "found.json", COLUMNS="100")
    assert code == 0, err
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["kept"] == MLP
    assert found["kept_total"] == sum(found["kept"].values())
    assert found["layers"] == {"relu_fc1": MLP["for the backward"]}
    assert found["ratio"] == found["peak"] / found["kept_total"]
    assert 1 <= found["ratio"] < 1.6
    assert (found["model"], found["global_batch"], found["ranks"]) == ("mlp", 32, 1)
    assert out.count("407,080") == 3 and "peak / sum" in out


def test_a_half_type_has_masters_and_half_the_rest():
    found = of(model="mlp", precision="bf16", optimiser="adamw").kept
    assert found["parameters"] == 4 * PARAMETERS
    assert found["working copy of the parameters"] == found["gradients"] == 2 * PARAMETERS
    assert found["state of the optimiser"] == 8 * PARAMETERS
    assert found["for the backward"] == 32 * 2 * 128
    assert found["batch"] == 32 * (2 * 784 + 8)  # as the network takes it


def test_microbatches_keep_less():
    whole, parts = (of(model="cnn", channels=(8,), microbatches=count).kept for count in (1, 4))
    assert parts["for the backward"] == whole["for the backward"] / 4


@pytest.mark.parametrize(
    ("options", "most"),
    [({"model": "resnet20", "global_batch": 8}, 1.3), ({"model": "gpt", "sequence": 64, "batch": 4}, 1.3)],
    ids=["resnet20", "gpt"],
)
def test_where_layers_keep_most_the_peak_is_little_more(options, most):
    config = Config(**options).completed()
    dataset = load(config.recipe.data, sequence=config.recipe.gpt_size.sequence)
    assert footprint(SoloWorld(), config, dataset, find("cpu")).ratio < most


def test_layers_in_the_table_add_up():
    measured = {
        "model": "gpt", "global_batch": 2, "ranks": 3, "precision": "fp32", "device": "cpu", "kept_total": 100,
        "kept": {"parameters": 10, "for the backward": 90}, "layers": {"a": 20, "b": 30, "c": 40}, "peak": 125,
        "ratio": 1.25, "resident": None,
    }  # fmt: skip
    found = table(measured, top=1)
    rows = list(zip(*(column.cells for column in found.columns), strict=True))
    assert rows == [
        ("parameters", "10", "10.0%"),
        ("for the backward", "90", "90.0%"),
        ("    c", "40", "40.0%"),
        ("    2 others", "50", "50.0%"),
        ("sum", "100", "100.0%"),
        ("peak of a step", "125", "125.0%"),
        ("peak / sum", "", "1.25"),
    ]
    assert found.title == "gpt, batch 2, 3 ranks, fp32, on cpu: bytes of rank 0"


def test_on_a_device_the_pool_tells():
    config = Config(model="mlp", device="emulated").completed()
    device = find("emulated")
    with reach_devices(SoloWorld(), device) as world:
        found = footprint(world, config, load("fashion"), device)
    assert found.resident is None
    assert dict(found.kept) == {name: size for name, size in MLP.items() if name != "order of the samples"}
    assert found.peak >= 3 * MLP["parameters"]
