"""Every case of cases.py on the device and in NumPy, on the same numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from case import TOLERANCE, Case, Numbers
from cases import CASES
from row import FAILED, OK, SKIPPED, Row

from mpitrain.device import Device

Array = Any


def rows(device: Device) -> Iterator[Row]:
    """One for each case, with the largest difference of each dtype."""
    for case in CASES:
        results, verdict = {}, OK
        for name in case.dtypes:
            dtype = dtype_of(name)
            if dtype is None:
                results[name] = f"{SKIPPED}, no ml_dtypes"
                continue
            try:
                worst = difference(case, dtype, device)
                results[name] = f"{worst:.0e}"
                right = worst <= TOLERANCE[name]
                results[name] += "" if right else f" > {TOLERANCE[name]:.0e}"
            except Exception as error:
                results[name], right = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:160]}", False
            if not right:
                verdict = FAILED
        yield Row("parity", case.name, _joined(results), verdict)


def _joined(results: dict[str, str]) -> str:
    """Dtypes of one result together."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        names.setdefault(result, []).append(name)
    return ", ".join(f"{' '.join(of)} {result}" for result, of in names.items())


def difference(case: Case, dtype: Any, device: Device) -> float:
    """The largest one between device and NumPy, relative to the largest number of its array."""
    expected = _tuple(case.call(*case.make(Numbers(dtype))))
    found = _tuple(case.call(*map(device.array, case.make(Numbers(dtype)))))
    if len(found) != len(expected):
        raise ValueError(f"{len(found)} results, NumPy gives {len(expected)}")
    return max(_apart(device.host(there), here) for there, here in zip(found, expected, strict=True))


def dtype_of(name: str) -> Any:
    """The dtype; None for bfloat16 where nobody knows it."""
    if name != "bfloat16":
        return np.dtype(name)
    try:
        import ml_dtypes
    except ImportError:
        return None
    return np.dtype(ml_dtypes.bfloat16)


def _tuple(result: Any) -> tuple[Array, ...]:
    return result if isinstance(result, tuple) else (result,)


def _apart(found: Any, expected: Any) -> float:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if found.shape != expected.shape:
        raise ValueError(f"shape {found.shape}, NumPy gives {expected.shape}")
    if not found.size:
        return 0.0
    same = (found == expected) | (np.isnan(found) & np.isnan(expected))
    apart = np.where(same, 0, np.abs(found - expected))
    return float(apart.max() / max(1.0, np.abs(expected).max(initial=0, where=np.isfinite(expected))))
