"""In which numbers a network computes, and how its parameters stay exact: masters in float32, a copy to work with.

| precision | values and gradients in the network | masters | extra                                              |
| fp32      | float32                             | same    |                                                    |
| tf32      | float32, products by tensor cores   | same    | a mode of the device                               |
| bf16      | bfloat16                            | float32 |                                                    |
| fp16      | float16                             | float32 | losses are scaled, since small gradients are lost  |

Micikevicius et al. 2018, sections 3.1 and 3.2. The optimiser reads gradients of the half type, moves the masters, and
writes the rounded copy in the same pass.
"""

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np


class Precision(NamedTuple):
    dtype: np.dtype[Any]
    scaled: bool = False

    @property
    def half(self) -> bool:
        """Whether the network works on a copy of the parameters."""
        return self.dtype.itemsize == 2


FLOAT32 = np.dtype(np.float32)
PRECISIONS = {
    "fp32": Precision(FLOAT32),
    "tf32": Precision(FLOAT32),
    "bf16": Precision(np.dtype(ml_dtypes.bfloat16)),
    "fp16": Precision(np.dtype(np.float16), scaled=True),
}
