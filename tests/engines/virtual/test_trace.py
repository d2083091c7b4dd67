"""The trace file: what Perfetto needs to show a row for every rank's activities, and arrows between them."""

import json
from itertools import pairwise

import numpy as np
import pytest

from mpitrain import virtual
from mpitrain.network import Network


@pytest.fixture
def events(tmp_path):
    """One rank computes 3 s and sends 5 bytes to the other, at 2 s a message and 1 s a byte."""

    def main(world):
        if world.rank == 0:
            world.compute(3)
            world.send(np.ones(5, np.uint8), 1)
        else:
            world.recv(np.ones(5, np.uint8), 0)
        world.allreduce(np.ones(1, np.uint8), algorithm="recursive_doubling")

    outcome = virtual.run(main, ranks=2, network=Network.flat(2, 1, 0.5), trace=True)
    virtual.write_trace(tmp_path / "trace.json", outcome.activities)
    return json.loads((tmp_path / "trace.json").read_text())["traceEvents"]


def slices(events, rank, kind):
    return [
        (event["name"], event["ts"] / 1e6, event["dur"] / 1e6)
        for event in events
        if event["ph"] == "X" and (event["pid"], event["cat"]) == (rank, kind)
    ]


def test_activities_stand_where_they_happened(events):
    assert slices(events, 0, "compute") == [("compute", 0, 3)]
    assert slices(events, 0, "send") == [("to rank 1", 3, 7), ("to rank 1", 10, 3)]
    assert slices(events, 1, "wait") == [("wait", 0, 10), ("wait", 10, 3)]
    assert slices(events, 1, "receive")[1] == ("from rank 0", 10, 3)
    assert slices(events, 1, "reduce") == [("reduce", 13, 0.5)]


def test_every_message_has_an_arrow(events):
    begins, ends = ({event["id"] for event in events if event["ph"] == phase} for phase in "sf")
    assert begins == ends
    assert len(begins) == 3


def test_collectives_begin_and_end(events):
    found = [(e["ph"], e["ts"] / 1e6) for e in events if e.get("cat") == "collective" and e["pid"] == 0]
    assert found == [("b", 10), ("e", 13.5)]
    assert {e["name"] for e in events if e.get("cat") == "collective"} == {"allreduce recursive_doubling"}


def test_slices_of_one_row_do_not_overlap(events):
    rows = {}
    for event in events:
        if event["ph"] == "X":
            rows.setdefault((event["pid"], event["tid"]), []).append((event["ts"], event["ts"] + event["dur"]))
    for spans in rows.values():
        spans.sort()
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_rows_have_names(events):
    names = {(e["pid"], e["args"]["name"]) for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    assert names == {(0, "rank 0"), (1, "rank 1")}
