"""Which device a rank gets, and what is said when it cannot have it; CuPy is played by a stand-in."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mpitrain import emulated
from mpitrain.array import namespace
from mpitrain.device import Device, check_sharing, find
from mpitrain.errors import UsageError

NO_GPU = "nvidia-smi tells whether one is there; --device cpu does without"


class CUDARuntimeError(RuntimeError):
    pass


@pytest.fixture
def cupy(monkeypatch):
    """A CuPy that counts `count` GPUs (an error raises) and knows which it was told to use."""
    stand_in = ModuleType("cupy")
    stand_in.used = []

    def count():
        if isinstance(stand_in.count, Exception):
            raise stand_in.count
        return stand_in.count

    properties = {0: {"uuid": b"\x01\xff"}, 1: {"uuid": b"\x02\xff"}}
    stand_in.cuda = SimpleNamespace(
        runtime=SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError, getDeviceCount=count, getDeviceProperties=properties.get
        ),
        Device=lambda index: SimpleNamespace(use=lambda: stand_in.used.append(index), pci_bus_id=f"0000:{index}1:00.0"),
    )
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    return stand_in


@pytest.mark.parametrize(("name", "xp"), [("cpu", np), ("emulated", emulated)])
def test_there_and_back(name, xp):
    device, host = find(name), np.arange(6, dtype=np.float32)
    there = device.array(host)
    assert namespace(there) is xp and device.xp is xp and device.on_host == (xp is np)
    np.testing.assert_array_equal(device.host(there), host)
    device.synchronize()
    assert (device.host(there) is host) == device.on_host  # the CPU's is the array itself
    assert device.identity() == name


def test_memory():
    device = find("emulated")
    before = device.memory()
    kept = device.xp.empty(1000, np.float32)
    view = kept[:10]
    del kept
    assert device.memory().used - before.used == 4000 and device.memory().total >= device.memory().used
    del view
    assert device.memory().used == before.used
    assert find("cpu").memory() is None


@pytest.mark.parametrize(("local_rank", "index"), [(0, 0), (1, 1), (2, 0), (5, 1)])
def test_ranks_take_turns_at_the_gpus_of_a_node(cupy, local_rank, index):
    cupy.count = 2
    assert find("cuda", local_rank) == Device("cuda", cupy, index)
    assert cupy.used == [index]
    assert find("cuda", local_rank).identity() == ("0000:01:00.0 01ff", "0000:11:00.0 02ff")[index]


def test_no_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(UsageError) as error:
        find("cuda")
    assert str(error.value) == (
        "device cuda takes CuPy, which cannot be imported: import of cupy halted; None in sys.modules; "
        "pip install 'mpitrain[cuda]'"
    )


@pytest.mark.parametrize(
    ("count", "what"),
    [
        (CUDARuntimeError("cudaErrorInsufficientDriver: no driver\nmore"), "cudaErrorInsufficientDriver: no driver"),
        (0, "CUDA counts 0 devices"),
    ],
)
def test_no_gpu(cupy, count, what):
    cupy.count = count
    with pytest.raises(UsageError) as error:
        find("cuda")
    assert str(error.value) == f"device cuda finds no GPU: {what}; {NO_GPU}"


def test_unknown():
    with pytest.raises(UsageError) as error:
        find("tpu")
    assert str(error.value) == "no device 'tpu'; there are cpu, cuda, emulated"


def test_two_ranks_on_one_gpu(monkeypatch):
    check_sharing([("a", "1"), ("a", "2"), ("b", "1")])
    shared = [("a", "1"), ("b", "1"), ("b", "2"), ("b", "1"), ("a", "1")]
    with pytest.raises(UsageError) as error:
        check_sharing(shared)
    assert error.value.agreed
    assert str(error.value) == (
        "ranks 1 and 3 share one GPU of b, which makes both slow: start at most a rank a GPU, "
        "or set MPITRAIN_SHARE_GPU=1 for a test"
    )
    monkeypatch.setenv("MPITRAIN_SHARE_GPU", "1")
    check_sharing(shared)


@pytest.mark.parametrize("name", ["cpu", "emulated"])
def test_tensor_cores_are_a_gpus(name):
    with pytest.raises(UsageError) as error:
        find(name).allow_tf32()
    assert str(error.value) == (
        f"precision tf32 wants tensor cores of compute capability 8.0 or later, {name} has none"
    )
