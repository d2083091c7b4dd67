"""What NumPy has and CuPy 14 has not: the emulated device refuses it, so that what runs here runs there."""

import numpy as np

NAMES = frozenset(
    """
    ScalarType asmatrix block bmat busday_count busday_offset busdaycalendar bytes_ char character clongdouble
    complex256 core ctypeslib datetime64 datetime_as_string datetime_data dtypes einsum_path emath errstate f2py
    flexible float128 frompyfunc fromregex geomspace get_include getbufsize geterr geterrcall histogram_bin_edges info
    insert is_busday isnat longdouble ma matrix matvec memmap nanpercentile nanquantile ndenumerate nditer nested_iters
    object_ polyder polydiv polyint rec recarray record sctypeDict setbufsize seterr seterrcall show_runtime spacing
    str_ strings test timedelta64 typecodes unstack vecdot vecmat void
    """.split()  # noqa: SIM905
)

_WHERE, _INITIAL, _DEVICE = ("where",), ("initial", "where"), ("device",)
_KEYWORDS = {
    "all": _WHERE, "any": _WHERE, "mean": _WHERE, "nanmean": _WHERE,
    "amax": _INITIAL, "amin": _INITIAL, "max": _INITIAL, "min": _INITIAL, "sum": _INITIAL, "prod": _INITIAL,
    "nanmax": _INITIAL, "nanmin": _INITIAL, "nansum": _INITIAL, "nanprod": _INITIAL,
    "std": ("correction", "mean", "where"), "var": ("correction", "mean", "where"),
    "sort": ("order", "stable"), "argsort": ("order", "stable"),
    "partition": ("kind", "order"), "argpartition": ("kind", "order"),
    "arange": _DEVICE, "full": _DEVICE, "full_like": _DEVICE, "linspace": _DEVICE, "ones": _DEVICE,
    "ones_like": _DEVICE, "zeros": _DEVICE, "zeros_like": _DEVICE,
    "count_nonzero": ("keepdims",), "isin": ("kind",), "reshape": ("shape",), "take": ("mode",),
    "unique": ("sorted",), "unpackbits": ("count",),
}  # fmt: skip
_OF_UFUNCS = ("initial", "order", "subok", "where")


def keywords(name: str) -> tuple[str, ...]:
    """What CuPy's function, method or ufunc of this name does not take, though NumPy's does."""
    return _OF_UFUNCS if isinstance(getattr(np, name, None), np.ufunc) else _KEYWORDS.get(name, ())
