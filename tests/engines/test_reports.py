"""The texts for ranks that go different ways, without any ranks."""

from mpitrain.engines.mismatch import END, Called, mismatch_text, numbered
from mpitrain.engines.stall import State, report
from mpitrain.engines.whereabouts import Waiting

IN_STEP = "; expected the same calls in the same order on every rank\n"


def test_ranks_are_listed_as_people_do():
    assert numbered([3]) == "rank 3"
    assert numbered([0, 1]) == "ranks 0, 1"
    assert numbered([0, 2, 3, 4, 7, 9, 10]) == "ranks 0, 2-4, 7, 9, 10"


def call(count, **others):
    return Called("allreduce", {"count": str(count), "op": "sum"} | others, None, "a.py:1")


def test_a_minority_is_odd_and_a_half_is_not():
    text = mismatch_text([call(3), call(4), call(3), call(4), call(3)], range(5))
    assert text.startswith(f"ranks 1, 3 of 5 differ from the others in count{IN_STEP}")
    assert text.splitlines()[1:] == [
        "  ranks 0, 2, 4: allreduce(count=3, op=sum) at a.py:1",
        "  ranks 1, 3: allreduce(count=4, op=sum) at a.py:1",
    ]
    text = mismatch_text([call(3), call(4, op="max"), call(3), call(4, op="max")], [1, 3, 5, 7])
    assert text.startswith(f"the 4 ranks differ in count, op{IN_STEP}")
    assert text.endswith("\n  (this world consists of the job's ranks 1, 3, 5, 7)")
    text = mismatch_text([call(3), END, END, call(3), call(3)], range(5))
    assert text.startswith(f"ranks 1, 2 of 5 make other calls than the others{IN_STEP}")


def test_calls_that_are_alike_but_stand_apart_are_no_fault_and_both_named():
    text = mismatch_text([call(3), call(3)._replace(site="b.py:2"), call(4)], range(3))
    assert text.splitlines() == [
        f"rank 2 of 3 differs from the others in count{IN_STEP.rstrip()}",
        "  rank 0: allreduce(count=3, op=sum) at a.py:1",
        "  rank 1: allreduce(count=3, op=sum) at b.py:2",
        "  rank 2: allreduce(count=4, op=sum) at a.py:1",
    ]


WAITING = State(Waiting("barrier", "a.py:9", False, True), "", 30.0, False, 7, 0, False, False)


def test_a_rank_that_has_been_there_and_left_is_not_missing():
    gone_on = WAITING._replace(waiting=None, place="a.py:12 in main", collectives=8)
    ahead = WAITING._replace(waiting=Waiting("split", "a.py:14", False, True), collectives=8)
    assert report(0, {0: WAITING, 1: gone_on, 2: ahead}, 3, 30).splitlines() == [
        "mpitrain: rank 0 of 3 has waited for more than 30 s in barrier; the ranks wait in different calls",
        "  rank 0: waiting in barrier, collective 7, called at a.py:9",
        "  rank 1: now at a.py:12 in main, after 8 collectives",
        "  rank 2: waiting in split, collective 8, called at a.py:14",
    ]


def test_works_that_a_thread_moves_are_not_to_blame():
    computing = WAITING._replace(waiting=None, place="a.py:12 in main", under_way=1)
    first = report(0, {0: WAITING, 1: computing}, 2, 30).splitlines()[0]
    assert first.endswith("in barrier; works of rank 1 are under way, and move in calls only")
    first = report(0, {0: WAITING, 1: computing._replace(by_thread=True)}, 2, 30).splitlines()[0]
    assert first.endswith("in barrier")


def test_where_ranks_cannot_be_asked_one_speaks_of_itself():
    assert report(2, {2: WAITING}, 3, 0.5) == (
        "mpitrain: rank 2 of 3 has waited for more than 0.5 s in barrier\n"
        "  rank 2: waiting in barrier, collective 7, called at a.py:9"
    )
