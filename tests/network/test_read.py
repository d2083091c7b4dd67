"""Networks from files: every value, and one line for everything that is wrong."""

import pytest

from mpitrain.errors import UsageError
from mpitrain.network import Fault, Network, Straggler, read
from mpitrain.network.read import presets

NODES = """
topology = "nodes"
ranks_per_node = 4
near = { alpha = "0.5 us", beta = "50 GB/s" }
far = { alpha = 2e-6, beta = "25 Gb/s" }
port = "100 Gb/s"
gamma = "20 GB/s"
speed = "2 Tflop/s"
speeds = { 3 = 0.5 }
eager = "64 KiB"
rendezvous = "3 us"

[[straggler]]
ranks = [3, 5]
slowdown = 1.5

[[straggler]]
slowdown = 4
kind = "bursts"
every = "10 ms"
lasting = "1 ms"

[[fault]]
crash = "any"
at = ["1 ms", "2 ms"]

[[fault]]
cut = [0, 1]
at = 0.5
lasting = 0.25

[[fault]]
slow = ["out of node", 1]
factor = 10
at = 0
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "net.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_says_all_that_python_can(file):
    assert read(file(NODES)) == Network.nodes(
        4, near=(5e-7, 2e-11), far=(2e-6, 3.2e-10), port=8e-11, gamma=5e-11, speed=2e12, speeds={3: 0.5},
        eager=65536, rendezvous=3e-6, name="net",
        stragglers=(Straggler(1.5, ranks=(3, 5)), Straggler(4, "bursts", every=0.01, lasting=0.001)),
        faults=(
            Fault("crash", "any", (1e-3, 2e-3)),
            Fault("cut", (0, 1), 0.5, lasting=0.25),
            Fault("slow", ("out of node", 1), 0, factor=10),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("alpha = 1\nbeta = 2\ngamma = 3", Network.flat(1, 2, 3, name="net")),
        (
            'topology = "torus"\nshape = [4, 4]\nalpha = 1\nbeta = 2\ngamma = 3\nhop = 4',
            Network.torus((4, 4), 1, 2, 3, hop=4, name="net"),
        ),
        (
            'topology = "fat_tree"\nradix = [8, 4]\noversubscription = [2]\nalpha = 1\nbeta = 2\ngamma = 3',
            Network.fat_tree((8, 4), 1, 2, 3, oversubscription=(2,), name="net"),
        ),
    ],
)
def test_every_topology(file, text, network):
    assert read(file(text)) == network


@pytest.mark.parametrize("name", presets())
def test_presets_are_read_by_name(name):
    assert read(name).name == name
    assert str(read(name)).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"nodes"', '"ring"', "topology = 'ring': expected one of flat, nodes, torus, fat_tree"),
        ("ranks_per_node = 4", "", "ranks_per_node is missing"),
        ("ranks_per_node", "ranks_a_node", "ranks_a_node is unknown: expected one of ranks_per_node, near, far, "),
        ("ranks_per_node = 4", "ranks_per_node = 4.5", "ranks_per_node = 4.5: expected a whole number"),
        ('"0.5 us"', '"0.5 min"', "near.alpha = '0.5 min': expected seconds, or a time such as \"1.5 us\""),
        ('"50 GB/s"', '"fast"', "near.beta = 'fast': expected seconds a byte, or a speed such as \"25 Gb/s\""),
        ('"50 GB/s"', '"0 GB/s"', "near.beta = '0 GB/s': expected seconds a byte, or a speed such as \"25 Gb/s\""),
        ('"50 GB/s"', "-1", "near.beta = -1: expected seconds a byte, or a speed such as \"25 Gb/s\""),
        ("port = ", "post = ", "post is unknown: expected one of "),
        ("slowdown = 1.5", "", "straggler.slowdown is missing"),
        ("slowdown = 1.5", "slowdown = 0.5", "straggler slowdown 0.5: expected a factor, 1 or more"),
        ('kind = "bursts"', 'kind = "waves"', "straggler kind 'waves': expected fixed, random or bursts"),
        ('every = "10 ms"', "", "straggler of bursts: expected every and lasting, seconds above 0"),
        ('crash = "any"', "", "fault: expected one of crash, freeze, slow, cut, found none"),
        ('crash = "any"', 'crash = "some"', "fault.crash = 'some': expected a rank, \"any\", two ranks, or the name "),
        ("cut = [0, 1]", "cut = 0", "fault cut = 0: expected two ranks, or a link"),
        ("factor = 10", "factor = 1", "fault slow by factor 1: expected more than 1"),
        ("lasting = 0.25", "lasting = 0", "fault lasting 0.0: expected seconds above 0"),
        ("speeds = { 3 = 0.5 }", "speeds = [1]", "speeds = [1]: expected a factor for some ranks, such as { 3 = 0.5 }"),
        ('"nodes"', '"nodes', "Illegal character"),
    ],
)  # fmt: skip
def test_one_line_for_what_is_wrong(file, old, new, text):
    assert old in NODES
    path = file(NODES.replace(old, new, 1))
    with pytest.raises(UsageError) as failure:
        read(path)
    assert str(failure.value).startswith(f"--network {path}: {text}")
    assert "\n" not in str(failure.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"--network .*/net.toml: No such file or directory; expected a TOML file"):
        read(tmp_path / "net.toml")
    with pytest.raises(UsageError, match="--network mesh: expected a TOML file, or one of cluster, ethernet, "):
        read("mesh")
