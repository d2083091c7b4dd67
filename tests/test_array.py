"""Arrays from elsewhere come in without a copy; CuPy is played by a stand-in."""

import array
import sys
import types

import numpy as np
import pytest

from mpitrain.array import as_array, namespace


class ArrayInterface:
    def __init__(self, owner):
        self.owner, self.__array_interface__ = owner, owner.__array_interface__


class DLPack:
    def __init__(self, owner, device=(1, 0)):
        self.owner, self.device = owner, device

    def __dlpack__(self, **options):
        return self.owner.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class OnDevice:
    __cuda_array_interface__ = None  # Only its being there counts.


@pytest.fixture
def cupy(monkeypatch):
    """A module in the place of CuPy that says what was asked of it."""
    stand_in = types.ModuleType("cupy")
    stand_in.ndarray = type("ndarray", (), {})
    stand_in.asarray = lambda x: ("asarray", x)
    stand_in.from_dlpack = lambda x: ("from_dlpack", x)
    monkeypatch.setitem(sys.modules, "cupy", stand_in)
    return stand_in


@pytest.mark.parametrize("wrap", [lambda x: x, memoryview, ArrayInterface, DLPack])
def test_shares_the_memory(wrap):
    owner = np.arange(6.0).reshape(2, 3)
    found = as_array(wrap(owner))
    assert type(found) is np.ndarray and np.shares_memory(found, owner)
    np.testing.assert_array_equal(found, owner)


def test_buffers():
    numbers = array.array("d", [1, 2])
    as_array(numbers)[0] = 5
    assert numbers[0] == 5
    np.testing.assert_array_equal(as_array(b"ab"), [97, 98])
    assert not as_array(b"ab").flags.writeable


@pytest.mark.parametrize(("thing", "kind"), [([1, 2], "list"), (1.5, "float"), (None, "NoneType"), ("a", "str")])
def test_what_has_no_memory_is_refused(thing, kind):
    with pytest.raises(TypeError) as error:
        as_array(thing)
    assert str(error.value) == (
        "expected an array (NumPy, CuPy, or an object with the buffer protocol, __array_interface__, DLPack or "
        f"__cuda_array_interface__), found {kind}; make one with numpy.asarray"
    )


def test_numpy_scalars_are_refused():
    with pytest.raises(TypeError, match=r"found numpy\.float32; make one"):
        as_array(np.float32(1))


def test_device_memory_without_cupy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # makes the import fail
    with pytest.raises(TypeError) as error:
        as_array(OnDevice())
    name = f"{OnDevice.__module__}.OnDevice"
    assert str(error.value) == f"{name} lies in the memory of a CUDA device, which takes CuPy; install cupy"


def test_device_memory_goes_to_cupy(cupy):
    on_device, by_dlpack = OnDevice(), DLPack(np.zeros(1), device=(2, 0))
    assert as_array(on_device) == ("asarray", on_device)
    assert as_array(by_dlpack) == ("from_dlpack", by_dlpack)


def test_namespace(cupy):
    assert namespace(np.zeros(1)) is np
    mine = cupy.ndarray()
    assert namespace(mine) is cupy
    assert as_array(mine) is mine


def test_namespace_does_not_import_cupy(monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    namespace(np.zeros(1))
    assert "cupy" not in sys.modules
