"""What a deadlock says: who waits for whom in a circle, where every rank is, who has ended."""

import re
from pathlib import Path

import numpy as np
import pytest
from virtual_worlds import SIMPLE, each, nothing

from mpitrain.network import Fault, Network
from mpitrain.virtual import Deadlock

HERE = Path(__file__)


def line_of(text):
    """The number of the one line of this file that ends like this."""
    lines = HERE.read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.endswith(text)]
    return found


def at(comment):
    """The end of what is told of a rank that called in this line of this file."""
    return rf"\b.*{HERE.name}:{line_of('# ' + comment)}$"


def deadlock(*programs, network=SIMPLE):
    with pytest.raises(Deadlock) as error:
        each(*programs, network=network)
    return str(error.value).splitlines()


def told(lines, rank):
    """What the report says of a rank."""
    (found,) = [line for line in lines[1:] if re.match(rf"  rank {rank}: ", line)]
    return found


def from_the_left(world):
    return world.recv(np.zeros(4), (world.rank - 1) % world.size)  # a circle


def test_a_circle_of_receives():
    lines = deadlock(*[from_the_left] * 3)
    assert re.match(r"deadlock at 0 s: nothing will ever move again; ", lines[0])
    assert lines[0].endswith("rank 0 waits for rank 2, rank 2 waits for rank 1, rank 1 waits for rank 0")
    assert len(lines) == 4
    for rank in range(3):
        left = (rank - 1) % 3
        assert re.match(
            rf"  rank {rank}: waits in recv .*of 32 bytes from rank {left}" + at("a circle"), told(lines, rank)
        )


def test_a_circle_of_long_sends():
    network = Network.flat(10, 1, 0, eager=8)

    def program(world):
        world.send(np.zeros(4), 1 - world.rank)  # both send first

    lines = deadlock(program, program, network=network)
    assert lines[0].endswith("rank 0 waits for rank 1, rank 1 waits for rank 0")
    for rank in range(2):
        wanted = rf"  rank {rank}: waits in send .*of 32 bytes to rank {1 - rank}" + at("both send first")
        assert re.match(wanted, told(lines, rank))


def test_a_rank_that_has_ended():
    lines = deadlock(nothing, lambda world: world.recv(np.zeros(4), 0), nothing)  # from who has ended
    assert lines[0].endswith("rank 1 waits for rank 0, which has ended")
    wanted = r"  rank 1: waits in recv .*of 32 bytes from rank 0" + at("from who has ended")
    assert re.match(wanted, told(lines, 1))
    assert "  ranks 0, 2: ended" in lines or "  ranks 0 and 2: ended" in lines


def test_a_crashed_rank_that_somebody_else_waits_for():
    def waits(world):
        return world.recv(np.zeros(1), 2)

    lines = deadlock(lambda w: w.compute(20), nothing, nothing, waits, network=Network.flat(10, 1, 0, faults=(
        Fault("crash", 0, 7),
    )))  # fmt: skip
    assert "  fault in force: crash rank 0 from 7 s on" in lines
    assert re.match(r"  rank 3: waits in recv .*from rank 2\b", told(lines, 3))


def test_a_collective_that_one_rank_does_not_call():
    def calls(world):
        world.allreduce(np.ones(4), algorithm="recursive_doubling")  # not by all

    lines = deadlock(calls, calls, calls, nothing)
    joined = "\n".join(lines)
    assert "allreduce of 32 bytes (algorithm recursive_doubling, engine virtual)" in joined
    assert f"{HERE.name}:{line_of('# not by all')}" in joined
    assert "  rank 3: ended" in lines


def test_a_cut_link():
    network = Network.flat(10, 1, 0, faults=(Fault("cut", (0, 1), 5),))
    lines = deadlock(lambda w: w.send(np.zeros(4), 1), lambda w: w.recv(np.zeros(4), 0), nothing, network=network)
    assert re.match(r"  rank 0: waits in send .*of 32 bytes to rank 1\b", told(lines, 0))
    assert "  fault in force: cut 0 - 1 from 5 s on" in lines
    assert re.match(r"  rank 1: waits in recv .*of 32 bytes from rank 0\b", told(lines, 1))


def test_a_rank_that_stands_still():
    network = Network.flat(10, 1, 0, faults=(Fault("freeze", 0, 5),))
    lines = deadlock(lambda w: w.compute(9), lambda w: w.recv(np.zeros(4), 0), network=network)
    assert told(lines, 0) == "  rank 0: stands still, by a fault"
    assert lines[0].endswith("rank 1 waits for rank 0, which stands still")


def test_ranks_that_wait_alike_share_a_line():
    lines = deadlock(nothing, *[lambda world: world.recv(np.zeros(1), 0)] * 40)
    assert len(lines) == 3
    assert re.match(r"  ranks 1.*40: waits in recv .*of 8 bytes from rank 0\b", lines[1])


def test_a_work_under_way_that_nobody_ends():
    def program(world):
        work = world.start_bcast(np.zeros(4), root=1, algorithm="linear")
        work.wait()  # the root never comes

    lines = deadlock(program, nothing)
    wanted = r"  rank 0: waits in bcast of 32 bytes .*from rank 1" + at("the root never comes")
    assert re.match(wanted, told(lines, 0))


def test_background_work_that_waits_for_ever():
    lines = deadlock(lambda world: world.background(lambda: world.recv(np.zeros(1), 0)).wait())
    assert re.match(r"  rank 0: waits", lines[1])


def test_a_crashed_rank_has_not_ended():
    network = Network.flat(10, 1, 0, faults=(Fault("crash", 0, 7),))
    lines = deadlock(lambda w: w.compute(9), nothing, nothing, lambda w: w.recv(np.zeros(1), 2), network=network)
    assert [re.findall(r"\d+", line) for line in lines if line.endswith(": ended")] == [["1", "2"]]
