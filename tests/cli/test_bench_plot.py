"""The picture of `bench --plot` and its bounds: closed forms, and what stands in the file."""

import re

import pytest

from mpitrain.cli import main
from mpitrain.cli.bench_bounds import Link, bandwidth_bound, fitted, latency_bound
from mpitrain.cli.bench_kinds import KINDS
from mpitrain.cli.bench_plot import contenders, curves, draw

SIZES = (1 << 10, 1 << 16, 1 << 22)
FACTS = {"cpu": "A processor", "cores": 2, "mpi_library": "Some MPI 1"}


def record(nbytes, us, way, library=10.0):
    engine, algorithm = way.split()
    return {
        "nbytes": nbytes, "engine": engine, "algorithm": algorithm, "median_us": us, "library_median_us": library,
        "ratio": library and library / us, "ranks": 8, "memory": "window", "call": "plan", "dtype": "float32",
    }  # fmt: skip


def test_bounds_are_the_textbooks():
    """Chan et al., table I: ceil(log2 p) alpha; 2 (p-1)/p n beta for an allreduce, n beta for a broadcast."""
    link = Link(2e-6, 1e-9)
    assert [latency_bound(link, p) for p in (1, 2, 3, 4, 5, 8, 9)] == [n * 2e-6 for n in (0, 1, 2, 2, 3, 3, 4)]
    assert bandwidth_bound(link, "allreduce", 4, 1000) == pytest.approx(1.5e-6)
    assert bandwidth_bound(link, "bcast", 4, 1000) == pytest.approx(1e-6)
    assert bandwidth_bound(link, "allgather", 8, 1000) == pytest.approx(0.875e-6)


def test_a_link_is_found_again():
    link = Link(3e-6, 2e-10)
    sizes = [1, *SIZES]
    found = fitted(sizes, [link.alpha + link.beta * nbytes for nbytes in sizes])
    assert found == pytest.approx(link)


def test_curves_leave_out_the_library_twice():
    records = [record(n, us, way) for n in SIZES for way, us in (("shared ring", 4.0), ("mpi library", 11.0))]
    ways, library = curves(records)
    assert ways == {"shared ring": [(n, 4.0) for n in SIZES]}
    assert library == [(n, 10.0) for n in SIZES]
    alone, none = curves([record(8, 4.0, "mpi library", None), record(0, 4.0, "mpi library", None)])
    assert (alone, none) == ({"mpi library": [(8, 4.0)]}, [])


def test_of_many_ways_those_are_named_that_come_near_the_best_somewhere():
    ways = {f"shared {n}": [(8, 100.0 + n), (16, 300.0 - n)] for n in range(40)}
    named = contenders(ways)
    assert len(named) == 12
    assert {"shared 0", "shared 1", "shared 2", "shared 37", "shared 38", "shared 39"} < named


@pytest.mark.parametrize("link", [Link(1e-6, 1e-10), Link(1e-6, 0.0), None])
def test_the_picture_names_what_is_drawn(tmp_path, link):
    pytest.importorskip("matplotlib")
    records = [
        record(n, us * n / 1024, f"{engine} {name}")
        for n in SIZES
        for engine, name, us in (("shared", "ring", 4.0), ("mpi", "ring", 8.0), ("mpi", "torus(rows=2)", 9.0))
    ]
    draw(tmp_path / "x.svg", "allreduce", records, link, FACTS)
    told = set(re.findall(r"<!-- (.*?) -->", (tmp_path / "x.svg").read_text()))
    assert {"allreduce on 8 ranks", "shared ring", "mpi ring", "mpi torus(rows=2)", "Some MPI 1's own call"} < told
    assert {"1 KiB", "64 KiB", "4 MiB", "size of the whole buffer"} < told
    assert any("bounds for messages" in text for text in told) == (link is not None)
    first = (tmp_path / "x.svg").read_bytes()
    draw(tmp_path / "x.svg", "allreduce", records, link, FACTS)
    assert (tmp_path / "x.svg").read_bytes() == first


def test_a_real_run_draws(mpitrain, tmp_path):
    pytest.importorskip("matplotlib")
    options = ("--algorithm", "all", "--nbytes", "1K,64K", "--rounds", 1, "--plot", "x.svg")
    code, _, err = mpitrain("bench", "exscan", *options, ranks=2)
    assert (code, err) == (0, "")
    picture = (tmp_path / "x.svg").read_text()
    assert picture.count("<!-- exscan on 2 ranks -->") == 1
    assert "<!-- shared recursive_doubling -->" in picture
    assert "bounds for messages" in picture


def test_a_barrier_has_nothing_to_draw(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(["bench", "barrier", "--plot", "x.svg"])
    fault = "mpitrain: --plot x.svg: expected a collective with data, which barrier has not\n"
    assert (ending.value.code, capsys.readouterr().err) == (2, fault)


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("no/x.svg", "--plot no/x.svg: expected a file in a folder that can be written"),
        ("x.doc", "--plot x.doc: expected a file of one of the kinds .svg, .png, .pdf"),
    ],
)
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, path, fault):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ending:
        main(["bench", "bcast", "--plot", path])
    assert (ending.value.code, capsys.readouterr().err) == (2, f"mpitrain: {fault}\n")


@pytest.mark.parametrize("collective", KINDS)
def test_an_even_share_is_what_a_bus_factor_counts(collective):
    """At 1 rank nothing is carried where blocks move; a broadcast's data always are."""
    bus = KINDS[collective].bus
    assert bus is None or bus(1) in (0, 1)
    assert bus is None or bus(1000) == pytest.approx(2 if collective == "allreduce" else 1, rel=2e-3)
