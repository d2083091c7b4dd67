"""The file of `mpitrain calibrate`: what is written is read again, and what is wrong in it is told in one line."""

import json
from pathlib import Path

import pytest

from mpitrain.errors import UsageError
from mpitrain.tuning import Place
from mpitrain.tuning.calibration import Calibration, Flat
from mpitrain.tuning.calibration_file import as_text, of_place, parsed, read_calibrations
from mpitrain.tuning.cost_model import CostModel, Errors
from mpitrain.tuning.terms import COUNTED, KNOTS, MOVING

TWO = Place("Some MPI 1", ranks=2, nodes=1, ranks_per_node=2, crowded=False)
EIGHT = Place("Some MPI 1", ranks=8, nodes=1, ranks_per_node=8, crowded=True)


def calibration(place=TWO, barrier=5e-7):
    models = {
        engine: CostModel(
            engine,
            4096,
            262144,
            {term: (at + 1) * 1e-7 for at, term in enumerate(COUNTED[engine])},
            {term: tuple((at + knot) * 1e-11 for knot in range(len(KNOTS))) for at, term in enumerate(MOVING[engine])},
            120,
            Errors(0.025, 0.05, 0.5),
        )
        for engine in COUNTED
    }
    return Calibration(place, barrier, models, Flat(1.5e-6, 8e-11, 0.0), {"cores": 2}, {"rounds": 15})


def test_it_is_read_as_it_was_written():
    text = as_text((calibration(), calibration(barrier=7e-7), calibration(EIGHT)))
    first, second, third = parsed(text, "here")
    assert ((first.place, first.barrier), second.barrier, third.place) == ((TWO, pytest.approx(5e-7)), 7e-7, EIGHT)
    assert (first.machine, first.about, first.flat) == ({"cores": 2}, {"rounds": 15}, Flat(1.5e-6, 8e-11, 0.0))
    for engine, model in calibration().models.items():
        read = first.models[engine]
        assert (read.eager, read.tile, read.samples, read.errors) == (4096, 262144, 120, model.errors)
        assert read.counted == pytest.approx(dict(model.counted))
        assert {term: pytest.approx(row, rel=1e-4) for term, row in read.moved.items()} == model.moved
    assert as_text((first, second, third)) == text


def test_a_line_for_each_cost_to_read():
    lines = as_text((calibration(),)).splitlines()
    assert lines[:3] == ["{", '  "format": "mpitrain calibration",', '  "version": 1,']
    assert '      "barrier_us": 0.5,' in lines
    assert '      "flat": {"alpha": 1.5e-06, "beta": 8e-11, "gamma": 0.0},' in lines
    assert '          "errors": {"median": 0.025, "mean": 0.05, "largest": 0.5},' in lines


def test_those_of_a_place():
    found = calibration(), calibration(barrier=7e-7), calibration(EIGHT)
    assert of_place(found, TWO, "--predict c.json") == found[:2]
    with pytest.raises(UsageError) as error:
        of_place(found[:2], EIGHT, "--predict c.json")
    assert str(error.value) == (
        "--predict c.json: expected a calibration of 8 ranks on 1 node, more ranks than cores, Some MPI 1, found "
        f"2 ranks on 1 node, a core for each rank, Some MPI 1{AGAIN}"
    )


AGAIN = "; make it anew with `mpirun -n N python -m mpitrain calibrate --out FILE`"
ONE = ("places", 0)
SHARED = (*ONE, "engines", "shared")


def changed(path, value):
    """A good file with one value changed, or taken away if it is None."""
    found = json.loads(as_text((calibration(),)))
    *way, last = path
    inner = found
    for key in way:
        inner = inner[key]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(found)


FAULTS = {
    "{": "expected a calibration in JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    "[]": 'format: expected "mpitrain calibration", found []',
    '{"format": "mpitrain tuning"}': 'format: expected "mpitrain calibration", found "mpitrain tuning"',
    changed(["version"], 2): "version: expected 1, which this mpitrain reads, found 2",
    changed(["places"], None): "places: expected a list, found null",
    changed(ONE, 5): "place 1: expected an object, found 5",
    changed((*ONE, "ranks"), 2.5): "place 1, ranks: expected a whole number, found 2.5",
    changed((*ONE, "barrier_us"), 0): "place 1, barrier_us: expected a number above 0, found 0",
    changed((*ONE, "knots"), {}): "place 1, knots: expected those of this mpitrain, found {}",
    changed((*ONE, "flat", "beta"), -1): "place 1, flat, beta: expected a number, 0 or more, found -1",
    changed((*ONE, "engines", "tcp"), {}): 'place 1, engines, tcp: expected one of shared, mpi, found "tcp"',
    changed((*SHARED, "eager"), None): "place 1, engines, shared, eager: expected a whole number, found null",
    changed((*SHARED, "errors", "mean"), "x"): (
        'place 1, engines, shared, errors, mean: expected a number, 0 or more, found "x"'
    ),
    changed((*SHARED, "microseconds", "group"), None): (
        "place 1, engines, shared, group: expected a number, 0 or more, found null"
    ),
    changed((*SHARED, "nanoseconds_per_kib", "copy"), [1.5]): (
        "place 1, engines, shared, copy: expected 10 numbers, found [1.5]"
    ),
    changed((*SHARED, "nanoseconds_per_kib", "copy", 3), True): (
        "place 1, engines, shared, copy: expected a number, 0 or more, found true"
    ),
}


@pytest.mark.parametrize("text", FAULTS, ids=FAULTS.values())
def test_what_is_wrong_is_one_line(text):
    with pytest.raises(UsageError) as error:
        parsed(text, "--predict c.json")
    assert str(error.value) == f"--predict c.json: {FAULTS[text]}{AGAIN}"


def test_what_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe")
    for name, fault in {
        "none.json": "cannot be read: No such file or directory",
        "bytes.json": "expected a calibration in JSON, found no text",
    }.items():
        with pytest.raises(UsageError) as error:
            read_calibrations(Path(name), "--out")
        assert str(error.value) == f"--out {name}: {fault}{AGAIN}"
