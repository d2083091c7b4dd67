"""Works move on whatever their ranks wait for, and plans and works refuse what they cannot do."""

import random
import threading
import time

import numpy as np
import pytest
from mpi4py import MPI

from mpitrain.collectives.catalogue import LIBRARY
from mpitrain.engines.mpi import MPIWorld

pytestmark = pytest.mark.mpi

LONG = 200_000  # elements: beyond every eager limit, so that each step needs both partners


def test_a_plan_runs_once_at_a_time(monkeypatch):
    monkeypatch.setenv("MPITRAIN_CHECK", "0")  # the works of some ranks are done and those of others are not
    world = MPIWorld(MPI.COMM_WORLD)
    plan = world.plan("allreduce", np.ones(LONG), algorithm="ring")
    work = plan.start()
    if not work.done:
        with pytest.raises(ValueError, match="this plan of allreduce is under way: wait for it before it starts again"):
            plan.start()
        with pytest.raises(ValueError, match="this plan of allreduce is under way: wait for it before it is freed"):
            plan.free()
    work.wait()
    plan.free()
    world.close()


# While the program computes: MPITRAIN_PROGRESS.


@pytest.fixture
def moved_by(monkeypatch):
    """Makes worlds whose works move in a given way."""

    def make(mode, engine="auto", checked="1"):
        monkeypatch.setenv("MPITRAIN_PROGRESS", mode)
        monkeypatch.setenv("MPITRAIN_CHECK", checked)
        worlds.append(MPIWorld(MPI.COMM_WORLD, engine=engine))
        return worlds[-1]

    worlds = []
    yield make
    for world in worlds:
        world.close()


def ends_by_itself(work, meanwhile=lambda: None):
    """Whether it ends with nobody waiting for it."""
    deadline = time.monotonic() + 20
    while work.event.ended is None and time.monotonic() < deadline:
        meanwhile()
        time.sleep(0.001)
    return work.event.ended is not None


ENGINES = ("mpi", "shared")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("algorithm", ["ring", "binomial_tree", "library"])
def test_a_thread_moves_works_while_the_program_computes(moved_by, engine, algorithm):
    world = moved_by("thread", engine if algorithm != LIBRARY else "mpi")
    plan = world.plan("allreduce", data := np.empty(LONG), algorithm=algorithm)
    for turn in range(1, 4):  # it goes to sleep in between, and wakes up again
        data[:] = turn
        work = plan.start()
        assert ends_by_itself(work)
        assert (data == turn * world.size).all()
        assert work.event.awaited is None
        assert work.wait() is plan.result


def test_works_move_between_layers(moved_by):
    world = moved_by("layers")
    work = world.plan("allreduce", np.ones(LONG), algorithm="ring", engine="mpi").start()
    assert work.done == (world.size == 1)
    assert ends_by_itself(work, world.move_on)
    assert (work.wait() == world.size).all()


@pytest.mark.parametrize("mode", ["none", "layers"])
def test_works_stay_where_they_are_in_between(moved_by, mode):
    world = moved_by(mode)
    if world.size > 1:
        work = world.plan("allreduce", np.ones(LONG), algorithm="ring", engine="mpi").start()
        for _ in range(50):
            if mode == "none":
                world.move_on()
            time.sleep(0.001)
        assert not work.done
        assert (work.wait() == world.size).all()


def running():
    return [thread for thread in threading.enumerate() if thread.name == "mpitrain progress"]


def test_there_is_a_thread_only_while_it_may_be_needed(moved_by):
    before = running()
    world = moved_by("thread")
    assert running() == before
    plan = world.plan("allreduce", np.ones(LONG), algorithm="ring", engine="mpi")
    plan.run()
    assert running() == before  # somebody waited all the time
    plan.start()
    assert len(running()) == len(before) + (world.size > 1)
    world.close()
    assert running() == before
    assert (plan.result == world.size**2).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_error_in_the_thread_is_raised_where_it_is_waited_for(moved_by, engine):
    world = moved_by("thread", engine)
    if world.size > 1:

        def broken(left, right):
            raise ArithmeticError(f"no such sum on rank {world.rank}")

        work = world.start_reduce_scatter(np.ones(2 * world.size), broken, algorithm="direct")
        assert ends_by_itself(work)
        for ask in (work.test, work.wait, work.wait):
            with pytest.raises(ArithmeticError, match=f"^no such sum on rank {world.rank}$"):
                ask()
        later = world.start_allreduce(np.ones(LONG), algorithm="ring")
        assert ends_by_itself(later)
        assert (later.wait() == world.size).all()


SIZES = (0, 1, 5, 1003, 40_000)


@pytest.mark.parametrize("checked", ["0", "1"])
@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
def test_works_by_the_dozen_while_the_program_tests_and_waits(moved_by, engine, checked):
    """Each rank tests and waits in an order of its own; blocking calls come in between. Every result is a closed form,
    and observers hear of each call once."""
    world, own = moved_by("thread", engine, checked), random.Random(MPI.COMM_WORLD.rank)
    rank_sum, heard = sum(range(1, world.size + 1)), []
    world.observe(heard.append)
    algorithms = ("ring", "recursive_doubling", "direct") + ((LIBRARY,) if engine != "shared" else ())
    plans = [world.plan("allreduce", np.empty(size), algorithm=name) for size in SIZES for name in algorithms]
    calls = 0
    for turn in range(6):
        works = []
        for number, plan in enumerate(plans):
            plan.result[:] = (world.rank + 1) * (number + turn)
            works.append((plan.start(), rank_sum * (number + turn)))
        for number in range(12):
            data = np.full(SIZES[number % len(SIZES)], float(world.rank + 1 + number))
            algorithm = algorithms[number % len(algorithms)]
            works.append((world.start_allreduce(data, algorithm=algorithm), rank_sum + number * world.size))
        if turn % 2:
            assert (world.allreduce(np.ones(7)) == world.size).all()
            calls += 1
        own.shuffle(works)
        for work, expected in works:
            if own.random() < 0.5:
                while not work.test():
                    pass
            assert (work.wait() == expected).all()
        calls += len(works)
    assert len(heard) == calls
    assert len({id(event) for event in heard}) == calls
    assert all(event.ended is not None for event in heard)
