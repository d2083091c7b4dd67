"""Works on a device come after what the caller has given it, before what it gives next, and beside the rest."""

from types import SimpleNamespace

import numpy as np
import pytest
import streams

from mpitrain.engines.device_clock import FRESH, DeviceClock
from mpitrain.engines.device_work import DevicePlan, Lane
from mpitrain.engines.pinned import Piece, PinnedPlan, Stand
from mpitrain.engines.progress import Progress
from mpitrain.engines.staged import BoundStep
from mpitrain.event import Operation

OPERATION = Operation("allreduce", "ring", "nccl", "sum", "float32", 4, 16)


@pytest.fixture
def on():
    xp, caller = streams.device()
    return SimpleNamespace(xp=xp, caller=caller, lane=Lane(xp, Progress(lambda: 0.0)))


def test_a_work_is_ordered_with_the_caller_s_stream_and_overlaps_it(on):
    seen = {}

    def action(label):
        return lambda: seen.update({label: on.xp.cuda.get_current_stream().do(label)})

    messages = SimpleNamespace(post=action("messages"))
    plan = DevicePlan(on.lane, [BoundStep([action("scaled")], messages, [action("summed")])], OPERATION, "", None)
    on.caller.do("gradients")
    work = plan.start()
    assert on.caller.do("backward goes on") == {"gradients"}, "beside the work"
    work.wait()
    used = on.caller.do("step")
    assert {"gradients"} == seen["scaled"], "all that was given before the start, and nothing of later"
    assert {"gradients", "scaled"} == seen["messages"]
    assert {"gradients", "scaled", "messages"} == seen["summed"]
    assert used >= {"summed", "backward goes on"}


def test_the_stream_that_waits_may_be_another_than_the_one_that_started(on):
    plan = DevicePlan(on.lane, [BoundStep([lambda: on.lane.stream.do("sum")], None, ())], OPERATION, "", None)
    work = plan.start()
    with on.xp.cuda.Stream(non_blocking=True) as other:
        work.wait()
    assert "sum" in other.do("use")
    assert "sum" not in on.caller.do("something else")


def test_a_plan_that_nobody_has_waited_for_does_not_start_again(on):
    plan = DevicePlan(on.lane, (), OPERATION, "", None)
    work = plan.start()
    work.last.done = False
    with pytest.raises(ValueError, match="this plan of allreduce is under way: wait for it before it starts again"):
        plan.start()
    work.wait()
    plan.start()


def test_the_host_waits_only_where_it_is_told_to(on):
    plan = DevicePlan(on.lane, (), OPERATION, "", None)
    work = plan.start()
    work.last.done = False
    assert not work.test()
    work.wait()
    assert work.last.waited == 0
    assert work.event.ended is None
    work.settle()
    assert work.last.waited == 1
    assert work.event.ended is not None


class DeviceArray:
    """Copies are work of the stream in which they are."""

    def __init__(self, name, seen):
        self.name, self._seen = name, seen

    def get(self, stream, out, blocking):
        assert not blocking
        self._seen[f"{self.name} down"] = stream.do(f"{self.name} down")

    def set(self, host, stream):
        self._seen[f"{self.name} up"] = stream.do(f"{self.name} up")


class HostPlan:
    """Its works are done when told so."""

    def __init__(self, name, log):
        self.name, self._log, self.done = name, log, False

    def start(self):
        self._log.append(f"{self.name} sets out")
        return self

    def test(self):
        return self.done

    def wait(self):
        self._log.append(f"{self.name} is awaited")
        self.done = True

    def free(self):
        self._log.append(f"{self.name} is freed")


def pinned_plan(on, names, seen, log):
    host = np.zeros(4)
    stands = [Stand(DeviceArray(name, seen), host) for name in names]
    pieces = [Piece(stand, HostPlan(name, log), stand) for stand, name in zip(stands, names, strict=True)]
    return PinnedPlan(on.lane, on.xp.cuda.Stream(non_blocking=True), pieces, OPERATION, "", None)


def test_pieces_come_down_travel_and_go_up(on):
    seen, log = {}, []
    plan = pinned_plan(on, "abc", seen, log)
    on.caller.do("gradients")
    work = plan.start()
    assert log == ["a sets out", "b sets out"], "two travel at one time"
    assert all("gradients" in seen[f"{name} down"] for name in "abc")
    plan.pieces[1].plan.done = True
    work.move_on()
    assert "b up" in seen
    work.move_on()
    assert log == ["a sets out", "b sets out", "c sets out"]
    work.wait()
    assert log[3:] == ["a is awaited", "c is awaited"]
    assert on.caller.do("step") >= {"a up", "b up", "c up"}


def test_what_has_not_come_down_does_not_set_out(on):
    seen, log = {}, []
    slow = on.xp.cuda.Event

    class Slow(slow):
        def __init__(self):
            super().__init__()
            self.done = False

    plan = pinned_plan(on, "ab", seen, log)
    on.xp.cuda.Event = Slow
    work = plan.start()
    assert log == []
    work.waiting[0][1].done = True
    work.move_on()
    assert log == ["a sets out"]
    work.wait()
    assert log == ["a sets out", "b sets out", "a is awaited", "b is awaited"]


def test_works_set_out_in_the_order_in_which_they_began(on):
    """Whoever is waited for first: all ranks start their host's plans in one order."""
    seen, log = {}, []
    first, second = pinned_plan(on, "abc", seen, log), pinned_plan(on, "de", seen, log)
    first.start()
    work = second.start()
    assert log == ["a sets out", "b sets out"]
    work.wait()
    assert [line for line in log if "sets out" in line] == [f"{name} sets out" for name in "abcde"]


def test_a_clock_that_is_asked_far_from_its_anchor_takes_a_nearer_one():
    """CUDA tells differences in milliseconds as float32, which after an hour know a quarter of one only."""
    xp, caller = streams.device()
    asked = []

    def elapsed(start, end):
        asked.append(start)
        return float(np.float32((end.at - start.at) * 1e3))

    xp.cuda.get_elapsed_time = elapsed
    clock = DeviceClock(xp, caller, lambda: 100.0)
    clock._anchor.at = 0.0
    for second in range(0, 4000, 7):
        mark = clock.mark(caller)
        mark.at = second + 1e-3 / 3
        assert abs(clock.time_of(mark) - (100 + mark.at)) < 1e-4
    assert len(set(map(id, asked))) > 4000 / (2 * FRESH)
