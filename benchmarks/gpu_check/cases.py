"""What must come out alike on the device and in NumPy: every operation that has a kernel, on small and odd sizes."""

import layer_cases
import vector_cases

CASES = (*vector_cases.CASES, *layer_cases.CASES)
