"""Checked mode on real ranks: ranks that call different things are all told who is odd, in what, and where."""

import re
from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from mpitrain import CollectiveMismatch, UsageError
from mpitrain.engines.mismatch import numbered
from mpitrain.engines.mpi import MPIWorld

pytestmark = pytest.mark.mpi

HERE = Path(__file__)
IN_STEP = "expected the same calls in the same order on every rank"


def line_of(mark):
    """Where in this file a call stands, as the check names it."""
    (line,) = [n for n, text in enumerate(HERE.read_text().splitlines(), 1) if text.endswith(f"# {mark}")]
    return f"{HERE.relative_to(Path.cwd()) if HERE.is_relative_to(Path.cwd()) else HERE}:{line}"


def told(size, usual, odd, difference):
    """The text for `odd` on the last rank and `usual` on all others."""
    last = size - 1
    if size == 2:
        headline = f"the 2 ranks {difference.removeprefix('s ').replace('differs from the others', 'differ')}"
        headline = headline.replace("makes another call than the others", "make different calls")
    else:
        headline = f"rank {last} of {size} {difference}"
    return f"{headline}; {IN_STEP}\n  {numbered(range(last))}: {usual}\n  rank {last}: {odd}"


def expect(world, usual, odd, difference):
    """As a context: the mismatch of those two calls on every rank, and the world in step after it."""
    text = told(world.size, usual, odd, difference)
    return pytest.raises(CollectiveMismatch, match=f"^{re.escape(text)}$")


def in_step(world):
    assert (world.allreduce(np.ones(3)) == world.size).all()


USUAL = dict(collective="allreduce", count=10, dtype="float32", op="sum", algorithm="ring")
VARIATIONS = {
    "count": dict(count=11),
    "dtype": dict(dtype="float64"),
    "op": dict(op="max"),
    "algorithm": dict(algorithm="direct"),
}


def call(world, collective, count, dtype, **options):
    getattr(world, collective)(np.ones(count, dtype), **options)  # one call


def shown(collective, count, dtype, op, algorithm, engine):
    return f"{collective}(count={count}, dtype={dtype}, op={op}, algorithm={algorithm}, engine={engine})"


@pytest.mark.parametrize("collective", ["allreduce", "start_allreduce", "reduce_scatter"])
@pytest.mark.parametrize("name", VARIATIONS)
def test_one_argument_differs(one_engine, collective, name):
    world = one_engine
    usual = USUAL | dict(collective=collective)
    odd = usual | VARIATIONS[name]
    if world.size > 1:
        site = f" at {line_of('one call')}"
        engine = dict(engine=world.engine)
        with expect(
            world, shown(**usual, **engine) + site, shown(**odd, **engine) + site, f"differs from the others in {name}"
        ):
            call(world, **(odd if world.rank == world.size - 1 else usual))
    in_step(world)


def test_another_root(one_engine):
    world = one_engine
    if world.size > 1:
        arguments = f"count=4, dtype=float64, algorithm=direct, engine={world.engine}, root="
        site = f" at {line_of('root')}"
        with expect(
            world, f"bcast({arguments}0){site}", f"bcast({arguments}1){site}", "differs from the others in root"
        ):
            world.bcast(np.ones(4), root=int(world.rank == world.size - 1), algorithm="direct")  # root
    in_step(world)


def test_other_counts(one_engine):
    world = one_engine
    size, last = world.size, world.size - 1
    if size > 1:
        first, other = [size, *[0] * last], [*[0] * last, size]
        arguments = f"count={size}, dtype=float64, algorithm=ring, engine={world.engine}, counts="
        site = f" at {line_of('counts')}"
        with expect(
            world,
            f"allgather({arguments}{first}){site}",
            f"allgather({arguments}{other}){site}",
            "differs from the others in counts",
        ):
            world.allgather(np.ones(size), other if world.rank == last else first, algorithm="ring")  # counts
    in_step(world)


def test_the_library_is_checked_too(world):
    if world.size > 1:
        ours, library = ("recursive_doubling", world.engine), ("library", "mpi")
        site = f" at {line_of('library')}"
        text = "allreduce(count=4, dtype=float64, op=sum, algorithm={}, engine={})" + site
        with expect(
            world,
            text.format(*ours),
            text.format(*library),
            f"differs from the others in algorithm{', engine' if world.engine != 'mpi' else ''}",
        ):
            odd = world.rank == world.size - 1
            world.allreduce(np.ones(4), algorithm=(library if odd else ours)[0])  # library
    in_step(world)


def test_another_collective(world):
    if world.size > 1:
        usual = f"barrier() at {line_of('barrier')}"
        odd = f"empty(count=3, dtype=float32) at {line_of('empty')}"
        with expect(world, usual, odd, "makes another call than the others"):
            if world.rank == world.size - 1:
                world.empty(3)  # empty
            else:
                world.barrier()  # barrier
    in_step(world)


def test_blocking_and_nonblocking_calls_do_not_match(world):
    if world.size > 1:
        arguments = f"(count=3, dtype=float64, op=sum, algorithm=ring, engine={world.engine}) at "
        with expect(
            world,
            f"allreduce{arguments}{line_of('blocking')}",
            f"start_allreduce{arguments}{line_of('nonblocking')}",
            "makes another call than the others",
        ):
            if world.rank == world.size - 1:
                world.start_allreduce(np.ones(3), algorithm="ring")  # nonblocking
            else:
                world.allreduce(np.ones(3), algorithm="ring")  # blocking
    in_step(world)


def test_two_calls_in_another_order(world):
    if world.size > 1:
        calls = {
            f"split() at {line_of('split')}": lambda: world.split(0).close(),  # split
            f"barrier() at {line_of('second')}": lambda: world.barrier(),  # second
        }
        usual, odd = calls
        with expect(world, usual, odd, "makes another call than the others"):
            for text in reversed(calls) if world.rank == world.size - 1 else calls:
                calls[text]()
    in_step(world)


@pytest.mark.parametrize("way", ["run", "start"])
def test_two_plans_in_another_order(one_engine, way):
    world = MPIWorld(MPI.COMM_WORLD, engine=one_engine.engine)
    plans = [world.plan("allreduce", np.ones(count), algorithm="ring") for count in (3, 3)]
    odd = world.rank == world.size - 1
    if world.size > 1:
        arguments = f"allreduce(count=3, dtype=float64, op=sum, algorithm=ring, engine={world.engine})"
        site = line_of("order")
        with expect(
            world,
            f"{way} of plan 1, {arguments} at {site}",
            f"{way} of plan 2, {arguments} at {site}",
            "makes another call than the others",
        ):
            for plan in reversed(plans) if odd else plans:
                getattr(plan, way)()  # order
        with expect(
            world,
            f"free of plan 1, {arguments} at {line_of('freed')}",
            f"free of plan 2, {arguments} at {line_of('freed')}",
            "makes another call than the others",
        ):
            plans[odd].free()  # freed
    assert (plans[1].run() == world.size).all()
    world.close()


def test_one_rank_closes_its_world():
    world = MPIWorld(MPI.COMM_WORLD)
    if world.size > 1:
        with expect(
            world,
            f"barrier() at {line_of('goes on')}",
            f"close() at {line_of('closes')}",
            "makes another call than the others",
        ):
            if world.rank == world.size - 1:
                world.close()  # closes
            else:
                world.barrier()  # goes on
    in_step(world)
    world.close()


def test_an_error_of_one_rank_reaches_the_others(world):
    if world.size > 1:
        if world.rank == world.size - 1:
            with pytest.raises(ValueError, match=r"^bcast: root 99: expected a rank below \d$"):
                world.bcast(np.ones(3), root=99)  # bad
        else:
            arguments = f"count=3, dtype=float64, algorithm=direct, engine={world.engine}, root=0"
            with expect(
                world,
                f"bcast({arguments}) at {line_of('good')}",
                f"bcast raised ValueError: bcast: root 99: expected a rank below {world.size} at {line_of('bad')}",
                "makes another call than the others",
            ):
                world.bcast(np.ones(3), algorithm="direct")  # good
    in_step(world)


def test_an_error_of_all_ranks_is_each_ones_own(world):
    with pytest.raises(ValueError, match=f"^reduce: root {world.size + world.rank}: expected a rank below"):
        world.reduce(np.ones(3), root=world.size + world.rank)
    in_step(world)


def test_a_mismatch_while_works_are_under_way_harms_none(one_engine):
    """Rank 0 is in the check already while the others wait for the work; it moves on from there."""
    world = one_engine
    work = world.start_allreduce(np.ones(100_000), algorithm="ring")
    if world.rank != 0:
        work.wait()
    if world.size > 1:
        with pytest.raises(CollectiveMismatch):
            world.allreduce(np.ones(3 + (world.rank == 0)))
    assert (work.wait() == world.size).all()
    in_step(world)


def test_every_rank_calls_something_else(world):
    if world.size > 1:
        with pytest.raises(CollectiveMismatch) as mismatch:
            world.allreduce(np.ones(world.rank), algorithm="ring")  # each
        lines = [
            f"  rank {rank}: allreduce(count={rank}, dtype=float64, op=sum, algorithm=ring, engine={world.engine}) "
            f"at {line_of('each')}"
            for rank in range(world.size)
        ]
        assert str(mismatch.value).splitlines() == [f"the {world.size} ranks differ in count; {IN_STEP}", *lines]
        assert mismatch.value.first == (world.rank == 0)
    in_step(world)


def test_a_part_of_the_ranks_is_named_by_the_jobs_numbers(world):
    part = world.split(world.rank % 2)
    if part.size > 1:
        members = [rank for rank in range(world.size) if rank % 2 == world.rank % 2]
        with pytest.raises(CollectiveMismatch) as mismatch:
            part.allreduce(np.ones(3 + (part.rank == 0)))
        assert str(mismatch.value).splitlines()[-1] == f"  (this world consists of the job's {numbered(members)})"
    part.close()
    in_step(world)


def test_without_checked_mode_nothing_is_checked(monkeypatch):
    monkeypatch.setenv("MPITRAIN_CHECK", "0")
    world = MPIWorld(MPI.COMM_WORLD)
    assert world.check is None
    world.close()
    monkeypatch.setenv("MPITRAIN_CHECK", "maybe")
    with pytest.raises(UsageError) as refusal:
        MPIWorld(MPI.COMM_WORLD)
    assert str(refusal.value) == "MPITRAIN_CHECK=maybe: expected 1 to check every collective call, or 0"
