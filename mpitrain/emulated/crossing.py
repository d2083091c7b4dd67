"""Between emulated arrays and NumPy's: everything executes in NumPy, but nothing crosses unasked.

    unwrap: emulated arrays, and lists of them, become the NumPy arrays inside; NumPy arrays are refused
    wrap:   what NumPy returns, arrays and scalars, becomes an emulated array

CuPy's reductions return arrays of no dimension, whose numbers stay on the device; so do these.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mpitrain.emulated import capture, lacking
from mpitrain.emulated.ndarray import ndarray

NARROW = ("float16", "bfloat16")
# Summed in float32 and rounded once, as CuPy does.
SUMS = frozenset(("dot", "matmul", "tensordot", "einsum", "inner", "sum", "mean", "var", "std", "prod", "cumsum"))


def unwrap(x: Any) -> Any:
    """TypeError for a NumPy array, wherever it stands."""
    if isinstance(x, ndarray):
        return x._host
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    if isinstance(x, list | tuple) and any(isinstance(item, ndarray | np.ndarray | list | tuple) for item in x):
        return type(x)(map(unwrap, x))
    return x


def wrap(x: Any) -> Any:
    """Arrays, also in tuples and lists; a dtype, a shape or whatever else stays as it is."""
    if isinstance(x, np.ndarray):
        return ndarray._of(x)
    if isinstance(x, np.generic):
        return ndarray._of(np.asarray(x))
    if isinstance(x, list | tuple) and any(isinstance(item, np.ndarray | np.generic) for item in x):
        return type(x)(map(wrap, x)) if type(x) in (list, tuple) else type(x)(*map(wrap, x))
    return x


def call(function: Callable[..., Any], name: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Runs NumPy's function on what is inside; `out` is returned as it was given."""
    for option in lacking.keywords(name):
        if option in options:
            raise TypeError(f"{name}() got an unexpected keyword argument '{option}'")
    given = options.get("out")
    out = given[0] if isinstance(given, tuple) and len(given) == 1 else given
    host_args = tuple(map(unwrap, args))
    host_options = {option: unwrap(value) for option, value in options.items()}
    wide = name in SUMS and any(_narrow(arg) for arg in host_args)

    def work() -> Any:
        return _in_float32(function, host_args, dict(host_options)) if wide else function(*host_args, **host_options)

    with np.errstate(all="ignore"):  # a device warns of nothing
        result = work()
    if isinstance(result, np.generic):
        result = np.asarray(result)
    if out is None:
        capture.record_result(result, work, host_args)
    else:
        capture.record(work)
    return wrap(result) if out is None or isinstance(out, tuple) else out


def _narrow(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.name in NARROW


def _in_float32(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    arrays = [arg for arg in args if isinstance(arg, np.ndarray)]
    wide = [arg.astype(np.float32) if _narrow(arg) else arg for arg in args]
    out, dtype = options.pop("out", None), options.pop("dtype", None)
    result = function(*wide, **options)
    if isinstance(out, tuple):
        (out,) = out
    if out is None:
        return np.asarray(result).astype(dtype or np.result_type(*arrays))
    out[...] = result
    return out
