"""What NumPy has and CuPy 14 has not: the emulated device refuses it, so that what runs here runs there."""

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

KEYWORDS = {
    **dict.fromkeys(("all", "any", "mean", "nanmean"), ("where",)),
    **dict.fromkeys(("amax", "amin", "max", "min", "prod", "sum", "nanmax", "nanmin", "nansum"), ("initial", "where")),
    **dict.fromkeys(("std", "var"), ("correction", "mean", "where")),
    **dict.fromkeys(("argsort", "sort", "partition", "argpartition"), ("order",)),
    "take": ("mode",),
    "count_nonzero": ("keepdims",),
}
