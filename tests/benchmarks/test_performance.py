"""What `make bench` writes: tables from the jobs' numbers, between markers, and nothing else of the page."""

import performance
import performance_tables as tables
import pytest

PAGE = """# Page
By hand.
<!-- make bench: first -->
old
<!-- end: first -->
More by hand.
<!-- make bench: second -->
<!-- end: second -->
The end.
"""


def test_only_what_stands_between_the_markers_changes():
    new = tables.rewritten(PAGE, {"first": "| new |\n"})
    assert new == PAGE.replace("old", "| new |")
    assert tables.rewritten(new, {"first": "old"}) == PAGE
    both = tables.rewritten(PAGE, {"second": "2", "first": "1\n\n1"})
    assert both == PAGE.replace("old", "1\n\n1").replace("second -->\n<!--", "second -->\n2\n<!--")


@pytest.mark.parametrize(
    "page", ["", PAGE.replace("<!-- end: first -->", ""), PAGE + PAGE, "<!-- end: first --><!-- make bench: first -->"]
)
def test_a_page_without_its_markers_is_refused(page):
    expected = "^section first: expected one <!-- make bench: first --> and after it one <!-- end: first -->$"
    with pytest.raises(ValueError, match=expected):
        tables.rewritten(page, {"first": "x"})


def test_the_page_has_a_place_for_every_section():
    names = {*performance.sections(), "machine", "step", "versus_ddp", "versus_torch"}
    page = performance.PAGE.read_text()
    tables.rewritten(page, dict.fromkeys(names, ""))
    assert page.count("<!-- make bench: ") == len(names)


def record(nbytes, us, library, way="shared direct", **more):
    engine, algorithm = way.split()
    return {
        "nbytes": nbytes, "engine": engine, "algorithm": algorithm, "median_us": us, "library_median_us": library,
        "busbw": nbytes / us / 1000, "ratio": library and library / us,
    } | more  # fmt: skip


def test_a_number_is_the_median_of_its_jobs():
    jobs = [{"records": [record(8, us, 10.0), record(16, 2 * us, None)]} for us in (5.0, 1.0, 4.0)]
    first, second = tables.medians(jobs)
    assert (first["median_us"], first["ratio"], first["busbw"]) == (4.0, 2.5, 8 / 4000)
    assert (second["median_us"], second["library_median_us"], second["ratio"]) == (8.0, None, None)


def test_a_collective():
    two = [record(1024, 2.0, 1.0, "mpi library"), record(65536, 4.0, 8.0), record(1 << 20, 1000.0, 8000.0)]
    four = [record(1024, 3.0, 6.0), record(65536, 8.0, 4.0), record(1 << 20, 4000.0, 8000.0)]
    assert tables.collective({2: two, 4: four}) == (
        "| bytes | 2 ranks: us | GB/s | ratio | 4 ranks: us | GB/s | ratio |\n"
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| 1,024 | 2.0 | 0.51 | 0.50 | 3.0 | 0.34 | 2.00 |\n"
        "| 65,536 | 4.0 | 16.38 | 2.00 | 8.0 | 8.19 | 0.50 |\n"
        "| 1,048,576 | 1,000.0 | 1.05 | 8.00 | 4,000.0 | 0.26 | 2.00 |\n"
        "\n"
        "- 2 ranks: geometric mean of the ratios from 64 KiB on 4.00, smallest 2.00; "
        "taken: the library's from 1,024 bytes on, shared direct from 65,536 bytes on.\n"
        "- 4 ranks: geometric mean of the ratios from 64 KiB on 1.00, smallest 0.50; "
        "taken: shared direct from 1,024 bytes on."
    )


def test_what_small_calls_add():
    by_plan, by_call = [record(8, 1.5, 1.0)], [record(8, 2.0, 2.25)]
    assert tables.small({"reduce": (by_plan, by_call)}).splitlines()[2:] == ["| reduce | 8 | 1.00 | +0.50 | -0.25 |"]


def test_ratios_count_from_64_kib():
    found = [record(1024, 1.0, 100.0), record(65536, 1.0, 2.0), record(1 << 20, 2.0, 1.0)]
    assert tables.ratios({"bcast": found}).splitlines()[2:] == [
        "| 1,024 | 100.00 |", "| 65,536 | 2.00 |", "| 1,048,576 | 0.50 |", "| geometric mean | 1.00 |",
        "| smallest | 0.50 |",
    ]  # fmt: skip


def test_algorithms_stand_side_by_side():
    found = [record(8, 2.0, 4.0, "mpi ring"), record(8, 5.0, 5.0, "mpi direct"), record(8, 9.0, 9.0, "mpi library")]
    assert tables.algorithms(found) == (
        "| bytes | ring | direct | library | best ratio |\n| ---: | ---: | ---: | ---: | ---: |\n"
        "| 8 | 2.0 | 5.0 | 4.5 | 2.00 |"
    )


def test_a_choice_beside_the_best():
    def job(*ratios):
        return {"records": [
            {"collective": name, "nbytes": n, "ratio": r}
            for (name, n), r in zip((("reduce", 8), ("reduce", 64), ("scan", 8)), ratios, strict=True)
        ]}  # fmt: skip

    jobs = [job(1.0, 1.5, 1.0), job(1.0, 1.2, 4.0), job(1.0, 1.44, 1.0)]
    assert tables.tuning({2: jobs}) == (
        "| collective | 2 ranks: sizes | mean | largest | above 1.15 |\n| --- | ---: | ---: | ---: | ---: |\n"
        "| reduce | 2 | 1.200 | 1.44 | 1 |\n| scan | 1 | 1.000 | 1.00 | 0 |\n| all | 3 | 1.129 | 1.44 | 1 |"
    )


def test_steps_and_the_other_framework():
    jobs = [{"step_seconds": s, "step_seconds_alone": 0.004, "ratio": s / 0.004} for s in (0.005, 0.009, 0.006)]
    assert tables.steps({"mlp": jobs}).splitlines()[2:] == ["| mlp | 6.00 | 4.00 | 1.500 |"]
    jobs = [{"seconds": {"mpitrain": 0.002, "DDP": s}, "ratio": s / 0.002} for s in (0.005, 0.009, 0.006)]
    assert tables.versus({"cnn": jobs}).splitlines()[2:] == [
        "| cnn | mpitrain | 2.00 | 3.00 |",
        "| cnn | DDP | 6.00 |  |",
    ]


def test_one_core():
    """Of each job the peer that was its fastest."""
    jobs = [
        {"seconds": {"mpitrain": ours, "A": a, "B": b}, "peer": peer, "ratio": ours / min(a, b)}
        for ours, a, b, peer in ((0.008, 0.01, 0.02, "A"), (0.009, 0.02, 0.01, "B"), (0.007, 0.01, 0.03, "A"))
    ]
    assert tables.one_core({"mlp": jobs}).splitlines()[-1] == "| mlp | 8.00 | 10.00 | 0.80 (0.70 to 0.90) |"
