"""The tests under mpirun watched from outside: small failing tests with the real conftest of tests/mpi."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mpitrain.errors import UsageError
from mpitrain.launcher import plan, survey

CONFTEST = Path(__file__).parent / "mpi" / "conftest.py"
HEAD = "import pytest\nfrom mpi4py import MPI\nworld = MPI.COMM_WORLD\n"


@pytest.fixture
def pytest_on_3_ranks(tmp_path):
    """Runs a test file on 3 ranks; gives the exit code and all that is printed."""

    def run(tests, time_limit=50.0):
        limits = f"\nTIME_LIMIT = {time_limit}\nGRACE = 1.0\n"
        (tmp_path / "conftest.py").write_text(CONFTEST.read_text() + limits)
        (tmp_path / "test_it.py").write_text(HEAD + tests)
        program = (sys.executable, "-m", "pytest", "--with-mpi", "-rA", "--color=no", "-p", "no:cacheprovider")
        program += ("-p", "no:hypothesispytest")  # which loads all of hypothesis at the end, on every rank
        try:
            launch = plan(os.environ, survey(os.environ), 3, (*program, "test_it.py"))
        except UsageError as error:
            pytest.skip(str(error))
        done = subprocess.run(
            launch.command,
            env=os.environ | dict(launch.environment) | {"COLUMNS": "200"},
            cwd=tmp_path,
            timeout=60,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout.decode(errors="replace")

    return run


def test_every_rank_ends_alike(pytest_on_3_ranks):
    """The later tests would hang or differ if any rank had gone on by itself."""
    code, printed = pytest_on_3_ranks("""
def test_pass():
    assert world.allreduce(1) == 3

@pytest.mark.skip(reason="not today")
def test_skip():
    world.barrier()

def test_fail_on_one():
    print("said before")
    assert world.rank != 1, "odd one out"

@pytest.fixture
def broken():
    assert world.rank != 2

def test_fixture_fails_on_one(broken):
    world.barrier()

def test_fail_on_all():
    assert world.size == 4

@pytest.mark.xfail
def test_expected_on_one_only():
    assert world.rank == 0

def test_skip_on_some():
    if world.rank > 0:
        pytest.skip("not here")

def test_still_together():
    assert world.allreduce(1) == 3
""")
    assert code == 1
    assert "\nPASSED test_it.py::test_pass\n" in printed
    assert "\nSKIPPED [1] test_it.py:8: not today\n" in printed
    assert "\nFAILED test_it.py::test_fail_on_one - failed on rank 1 of 3:\n" in printed
    assert "AssertionError: odd one out" in printed and "--- Captured stdout call\nsaid before" in printed
    assert "\nERROR test_it.py::test_fixture_fails_on_one - failed on rank 2 of 3:\n" in printed
    assert "\nFAILED test_it.py::test_fail_on_all - assert 3 == 4\n" in printed
    assert (
        "\nFAILED test_it.py::test_skip_on_some - skipped on ranks 1, 2 of 3 only: "
        "a test is skipped on all ranks or on none\n"
    ) in printed
    assert "\nPASSED test_it.py::test_still_together\n" in printed
    assert printed.count("test session starts") == 1, "rank 0 alone reports"


def test_a_rank_that_raises_ends_the_launch(pytest_on_3_ranks):
    code, printed = pytest_on_3_ranks("""
def test_left_alone():
    if world.rank == 1:
        raise KeyError("lost")
    world.barrier()
""")
    assert code != 0
    assert "rank 1 of 3 failed in test_it.py::test_left_alone (call)\n" in printed
    assert "KeyError: 'lost'" in printed
    assert "ranks 0, 2 did not come to its end within 1 s: the launch is aborted\n" in printed


def test_a_deadlock_ends_with_stacks(pytest_on_3_ranks):
    code, printed = pytest_on_3_ranks(
        """
def test_unmatched():
    if world.rank != 1:
        world.barrier()
""",
        time_limit=2.0,
    )
    assert code != 0
    told = "no end of test_it.py::test_unmatched within 2 s, the launch is aborted; it"
    assert f"rank 1 of 3: {told} waits for ranks 0, 2\n" in printed
    for rank in (0, 2):
        story = printed.split(f"rank {rank} of 3: {told} is here:\n")[1]
        assert story.splitlines()[1].strip() == "world.barrier()"


def test_a_deadlock_that_holds_python_ends_with_its_stack(pytest_on_3_ranks):
    code, printed = pytest_on_3_ranks(
        """
import ctypes

def test_asleep():
    if world.rank == 1:
        ctypes.PyDLL(None).sleep(100)
""",
        time_limit=2.0,
    )
    assert code != 0
    assert "line 9 in test_asleep\n" in printed


def test_a_file_that_one_rank_cannot_import(pytest_on_3_ranks):
    code, printed = pytest_on_3_ranks("""
if world.rank == 1:
    import nonexistent

def test_never():
    world.barrier()
""")
    assert code == 2
    assert "collection failed on rank 1:\n" in printed
    assert "No module named 'nonexistent'" in printed


def test_ranks_with_different_tests(pytest_on_3_ranks):
    code, printed = pytest_on_3_ranks("""
@pytest.mark.parametrize("value", [world.rank // 2])
def test_value(value):
    world.barrier()
""")
    assert code == 2
    assert (
        "ranks do different things: rank 0 collects test_it.py::test_value[0], "
        "rank 2 collects test_it.py::test_value[1]"
    ) in printed
