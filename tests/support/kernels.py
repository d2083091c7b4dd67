"""Kernel tests on the emulated device: arrays between guards, thread orders, and sources broken on purpose.

    for seed in SEEDS:
        with thread_order(seed):
            x = guarded(numbers, start=1)
            op(x.array)
            np.testing.assert_array_equal(x.numbers(), expected)      # fails too if the kernel wrote beside it
    with mutated("norm.cu", lambda text: without(text, BARRIER, 0)), pytest.raises(AssertionError):
        ...                                                           # the same

Under AddressSanitizer (make test-asan) a kernel may not even read beside an array.
"""

import contextlib
import ctypes
import os

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.emulated import thread_order  # noqa: F401  (for the tests)
from mpitrain.kernel_source import expand, source
from mpitrain.ops import launch

SEEDS = (0, 1, 2)  # natural, reversed, shuffled
DTYPES = ("float32", "float64", "float16", "bfloat16")
BARRIER = "__syncthreads();"
GUARD = 64  # bytes on both sides
GUARDS = np.random.default_rng(0)
SANITIZER = ctypes.CDLL(None)  # has its functions if it was loaded before all else
SANITIZED = hasattr(SANITIZER, "__asan_poison_memory_region")


def dtype_of(name):
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


class Guarded:
    """An emulated array `start` elements behind a 16-byte boundary, with a guard on both sides."""

    def __init__(self, numbers, start=0):
        numbers = np.asarray(numbers)
        self.room = xp.empty(numbers.nbytes + 2 * GUARD + 32, np.uint8)
        first = GUARD + -(self.room.data.ptr + GUARD) % 16 + start * numbers.itemsize
        self.inside = slice(first, first + numbers.nbytes)
        self.array = self.room[self.inside].view(numbers.dtype).reshape(numbers.shape)
        self.array[...] = xp.asarray(numbers)
        # Anything but NaN, which arithmetic may give back bit by bit, and never twice the same.
        around = GUARDS.integers(0, 256, self.room.nbytes, np.uint8)
        around[self.inside] = self.room.get()[self.inside]
        self.room.set(around)
        self.before = around
        self._close("poison")

    def numbers(self):
        """What the array holds now, on the host. AssertionError if anything beside it has changed."""
        self._close("unpoison")
        now = self.room.get()
        self._close("poison")
        inside = now[self.inside].copy()
        now[self.inside] = self.before[self.inside]
        np.testing.assert_array_equal(now, self.before, "wrote beside its array")
        return inside.view(self.array.dtype).reshape(self.array.shape)

    def __del__(self):
        self._close("unpoison")

    def _close(self, way):
        """Forbid the guards to kernels, or allow them: `poison`, `unpoison`."""
        if SANITIZED:
            function, address = getattr(SANITIZER, f"__asan_{way}_memory_region"), self.room.data.ptr
            for start, stop in ((0, self.inside.start), (self.inside.stop, self.room.nbytes)):
                function(ctypes.c_void_p(address + start), ctypes.c_size_t(stop - start))


def guarded(numbers, start=0):
    return Guarded(numbers, start)


def unwritten(shape, dtype, start=0):
    """For a result: every byte 0xFF, which is NaN or -1."""
    return Guarded(np.full(np.prod(shape) * np.dtype(dtype).itemsize, 0xFF, np.uint8).view(dtype).reshape(shape), start)


def kernel(text, name):
    """A kernel of a source given as text, which may include our headers."""
    return xp.RawModule(code=expand(text)).get_function(name)


def count(file, text):
    """How often the text stands in a file of `kernels/`, what it includes counted in."""
    return source(file).count(text)


def without(text, part, nth):
    """The text with its nth `part` left out."""
    before, *rest = text.split(part)
    assert len(rest) > nth, f"{part!r} stands there {len(rest)} times"
    return part.join([before, *rest[:nth]]) + part.join(rest[nth:])


@contextlib.contextmanager
def mutated(file, change):
    """Within, ops launch the file's kernels from `change(source)`, built quickly rather than well."""
    if SANITIZED:
        pytest.skip("a kernel broken on purpose may end the process")
    asked, text, flags = launch.source, change(source(file)), os.environ.get("MPITRAIN_KERNEL_FLAGS", "")
    assert text != source(file), f"{file} is as it was"
    launch.source = lambda name: text if name == file else asked(name)
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("MPITRAIN_KERNEL_FLAGS", f"{flags} -O0")
            _forget()
            yield
    finally:
        launch.source = asked
        _forget()


def _forget():
    launch._module.cache_clear()
    launch._function.cache_clear()
