"""The file of `mpitrain tune`: what is written is read again, and what is wrong in it is told in one line."""

import json

import pytest

from mpitrain.errors import UsageError
from mpitrain.tuning import Measured, Place, Way
from mpitrain.tuning.measured import PlaceTable, merged
from mpitrain.tuning.table_file import as_text, parsed, read_tables

TWO = Place("Some MPI 1", ranks=2, nodes=1, ranks_per_node=2, crowded=False)
EIGHT = Place("Some MPI 1", ranks=8, nodes=1, ranks_per_node=8, crowded=True)


def measured(*microseconds, about="first"):
    times = tuple(us / 1e6 for us in microseconds)
    return Measured((1024, 4096)[: len(times)], {Way("mpi", "library"): times}, {"date": about})


def table(place, **collectives):
    return PlaceTable(place, collectives, {}, {"cores": 2})


def content(tables):
    """What a table says, as plain values."""
    return json.loads(as_text(tuple(tables)))["places"]


def test_it_is_read_as_it_was_written():
    one = table(TWO, allreduce=measured(1.5, 2.5), bcast=measured(3.0))
    other = PlaceTable(EIGHT, {}, {"reduce": Measured((8,), {Way("mpi", "ring(4)"): (1e-6,)})}, {})
    (first, second) = parsed(as_text((one, other)), "here")
    assert (first.place, first.machine, second.place) == (TWO, {"cores": 2}, EIGHT)
    assert first.collectives["allreduce"].nbytes == (1024, 4096)
    assert first.collectives["allreduce"].about == {"date": "first"}
    assert first.collectives["allreduce"].seconds[Way("mpi", "library")] == pytest.approx((1.5e-6, 2.5e-6))
    assert second.library_algorithms["reduce"].seconds.keys() == {Way("mpi", "ring(4)")}
    assert content((first, second)) == content((one, other))


def test_a_line_for_each_way_to_read():
    lines = as_text((table(TWO, allreduce=measured(1.23456789, 1000.0)),)).splitlines()
    assert lines[:3] == ["{", '  "format": "mpitrain tuning",', '  "version": 1,']
    assert '            "library": [1.2346, 1000.0]' in lines
    assert '      "ranks": 2,' in lines


def test_a_place_is_added_or_replaced_and_others_stay():
    first = merged((), table(EIGHT, allreduce=measured(8.0)))
    both = merged(first, table(TWO, allreduce=measured(1.0), bcast=measured(2.0)))
    assert [found.place for found in both] == [TWO, EIGHT]
    later = merged(both, table(TWO, allreduce=measured(1.25, about="later")))
    assert content(later[1:]) == content(both[1:])
    assert {name: found.about["date"] for name, found in later[0].collectives.items()} == {
        "allreduce": "later", "bcast": "first",
    }  # fmt: skip


GOOD = json.loads(as_text((table(TWO, allreduce=measured(1.0, 2.0)),)))
AGAIN = "; make it anew with `mpirun -n N python -m mpitrain tune --out FILE`"


def changed(path, value):
    """The good file with one value changed, or taken away if it is None."""
    found = json.loads(json.dumps(GOOD))
    *way, last = path
    inner = found
    for key in way:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(found)


ONE = ("places", 0)
ALLREDUCE = (*ONE, "collectives", "allreduce")
FAULTS = {
    "[]": 'format: expected "mpitrain tuning", found []',
    "{}": 'format: expected "mpitrain tuning", found null',
    changed(["version"], 2): "version: expected 1, which this mpitrain reads, found 2",
    changed(["places"], {}): "places: expected a list, found {}",
    changed(ONE, 5): "place 1: expected an object, found 5",
    changed((*ONE, "ranks"), "2"): 'place 1, ranks: expected a whole number, found "2"',
    changed((*ONE, "crowded"), 0): "place 1, crowded: expected true or false, found 0",
    changed((*ONE, "mpi_library"), None): "place 1, mpi_library: expected text, found null",
    changed((*ALLREDUCE, "nbytes"), [4096, 1024]): (
        "place 1, collectives, allreduce, nbytes: expected sizes in ascending order, found [4096, 1024]"
    ),
    changed((*ALLREDUCE, "microseconds", "library"), [1.0]): (
        "place 1, collectives, allreduce, library: expected 2 times above 0, found [1.0]"
    ),
    changed((*ALLREDUCE, "microseconds", "library"), [1.0, -1.0]): (
        "place 1, collectives, allreduce, library: expected 2 times above 0, found [1.0, -1.0]"
    ),
    changed((*ALLREDUCE, "microseconds", "tcp ring"), [1.0, 1.0]): (
        "place 1, collectives, allreduce, microseconds: expected ways of this mpitrain ('tcp ring': expected library, "
        "or mpi or shared and an algorithm, such as 'shared ring'), found \"tcp ring\""
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", FAULTS)
def test_what_is_wrong_is_one_line(text):
    with pytest.raises(UsageError) as error:
        parsed(text, "--tuning t.json")
    assert str(error.value) == f"--tuning t.json: {FAULTS[text]}{AGAIN}"


def test_an_algorithm_that_is_not_there_is_named():
    with pytest.raises(
        UsageError, match=r"\(no algorithm 'rings' for allreduce: expected ring, swing or another .*\), found \"mpi rin"
    ):
        parsed(changed((*ALLREDUCE, "microseconds", "mpi rings"), [1.0, 1.0]), "x")


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "half.json").write_text('{"format":')
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for name, fault in {
        "none.json": "cannot be read: No such file or directory",
        "half.json": "expected a tuning table in JSON: Expecting value: line 1 column 11 (char 10)",
        "bytes.json": "expected a tuning table in JSON, found no text",
    }.items():
        with pytest.raises(UsageError) as error:
            read_tables(name)
        assert str(error.value) == f"--tuning {name}: {fault}{AGAIN}"
        monkeypatch.setenv("MPITRAIN_TUNING", name)
        with pytest.raises(UsageError) as error:
            read_tables(None)
        assert str(error.value) == f"MPITRAIN_TUNING={name}: {fault}{AGAIN}"
    monkeypatch.setenv("MPITRAIN_TUNING", "")
    assert read_tables(None) == ()
