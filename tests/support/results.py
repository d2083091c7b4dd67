"""The results that ops ask memory for on the emulated device, put between guards.

with guarded_results(max_pool, start=1):
    y, winner = max_pool.max_pool(x.array, window)                # fails at the end if a kernel wrote beside a result
"""

import contextlib

import numpy as np
import pytest

from kernels import unwritten
from mpitrain import memory


@contextlib.contextmanager
def guarded_results(module, start=0):
    """Within, `empty` of the module gives memory `start` elements behind a 16-byte boundary."""
    made = []

    def empty(shape, dtype, xp=np):
        if xp is np:
            return memory.empty(shape, dtype)
        made.append(unwritten(shape, dtype, start))
        return made[-1].array

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "empty", empty)
        yield
    assert made, "no result was asked for"
    for result in made:
        result.numbers()
