"""Real ranks: mpirun -n 5 python -m pytest tests/mpi --with-mpi. A fault on one rank is a fault on all, and none hangs.

Every rank runs the same tests. After each phase of a test (set-up, call, tear-down) the ranks exchange how it went:
- one failed: the test fails on every rank, and the report names the ranks that failed;
- one failed and others never come (they wait in a collective it left): its report is printed, the launch aborted;
- no end in sight: after TIME_LIMIT seconds every rank shows where it is, and the launch is aborted.
Rank 0 alone reports. Tests must be alike on all ranks: no random order, and no hypothesis here.
"""

import contextlib
import faulthandler
import os
import sys
import tempfile
import threading
import time
import traceback
from typing import NamedTuple

import pytest

pytest.register_assert_rewrite(
    *(f"suite_{name}" for name in ("collectives", "device", "parallel", "parameters", "training", "update", "world"))
)

TIME_LIMIT = 50.0  # seconds that one test may take
GRACE = 5.0  # seconds in which the others must arrive once a rank has failed


class Outcome(NamedTuple):
    """How a phase went on one rank: its name, "passed", "failed" or "skipped", and the report's text."""

    phase: str
    outcome: str
    text: str


class Ranks:
    """The ranks of this launch, and how they agree: on a communicator of their own, apart from those under test."""

    def __init__(self):
        from mpitrain.engines.start import MPI  # here, since plain pytest reads this file too and must not start MPI

        self.comm, self.request = MPI.COMM_WORLD.Dup(), MPI.Request
        self.rank, self.size = self.comm.rank, self.comm.size
        self.stderr = os.dup(2)  # the real one: while a test runs, pytest has file descriptor 2 captured
        self.awaited = []  # the ranks that this one is waiting for

    def exchange(self, mine):
        """Everybody's Outcome, in order of rank. Point to point and never blocking, so that it can give up."""
        heard = {self.rank: mine}
        sends = [self.comm.isend(mine, dest=peer) for peer in range(self.size) if peer != self.rank]
        deadline = None
        while len(heard) < self.size or not self.request.Testall(sends):
            self.awaited = [peer for peer in range(self.size) if peer not in heard]
            for peer in self.awaited:
                message = self.comm.improbe(source=peer)
                if message is not None:
                    heard[peer] = message.recv()
            failed = [peer for peer in sorted(heard) if heard[peer].outcome == "failed"]
            if failed and deadline is None:
                deadline = time.monotonic() + GRACE
            # The first that failed speaks for all.
            if failed and failed[0] == self.rank and self.awaited and time.monotonic() > deadline:
                self.say(
                    f"rank {self.rank} of {self.size} failed in {mine.phase}\n{mine.text}\n"
                    f"{listed(self.awaited)} did not come to its end within {GRACE:g} s: the launch is aborted"
                )
                time.sleep(0.5)  # time for the launcher to pass it on
                self.comm.Abort(1)
            time.sleep(0.0002)  # ranks may outnumber cores
        self.awaited = []
        return [heard[rank] for rank in range(self.size)]

    @contextlib.contextmanager
    def time_limit(self, test):
        """After TIME_LIMIT seconds say where this rank is, give the others time to do so, and abort the launch."""
        done, thread = threading.Event(), threading.get_ident()

        def watch():
            if done.wait(TIME_LIMIT):
                return
            faulthandler.cancel_dump_traceback_later()
            told = f"rank {self.rank} of {self.size}: no end of {test} within {TIME_LIMIT:g} s, the launch is aborted"
            place = f"waits for {listed(self.awaited)}" if self.awaited else f"is here:\n{stack(thread)}"
            self.say(f"{told}; it {place}")
            if not done.wait(2):
                self.comm.Abort(1)

        # Where a library holds Python's lock no thread of ours can run; this one, written in C, can.
        faulthandler.dump_traceback_later(TIME_LIMIT + 1, exit=True, file=self.stderr)
        threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            done.set()
            faulthandler.cancel_dump_traceback_later()

    def say(self, text):
        """Print to the real stderr in one piece, so that the ranks' texts do not mix."""
        os.write(self.stderr, f"\n{text}\n".encode())


def listed(ranks):
    return f"rank{'s' if len(ranks) > 1 else ''} {', '.join(map(str, ranks))}"


def stack(thread):
    """Where a thread is, without the frames of pytest itself."""
    frames = traceback.extract_stack(sys._current_frames()[thread])
    machinery = (f"{os.sep}_pytest{os.sep}", f"{os.sep}pluggy{os.sep}", f"{os.sep}pytest{os.sep}", "<frozen runpy>")
    return "".join(traceback.format_list([f for f in frames if not any(part in f.filename for part in machinery)]))


def joint_verdict(outcomes, rank):
    """(outcome, text) of a phase for all ranks together; None if this rank's own report says it all."""
    size, mine = len(outcomes), outcomes[rank]
    for peer, other in enumerate(outcomes):
        if other.phase != mine.phase:
            return "failed", f"ranks do different things: rank {rank} {mine.phase}, rank {peer} {other.phase}"
    failed = [peer for peer, other in enumerate(outcomes) if other.outcome == "failed"]
    if failed and len(failed) < size:
        return "failed", f"failed on {listed(failed)} of {size}:\n{outcomes[failed[0]].text}"
    skipped = [peer for peer, other in enumerate(outcomes) if other.outcome == "skipped"]
    if not failed and skipped and len(skipped) < size:
        return "failed", f"skipped on {listed(skipped)} of {size} only: a test is skipped on all ranks or on none"
    return None


class Agreement:
    """The pytest plugin: makes each phase end alike on all ranks."""

    def __init__(self, ranks):
        self.ranks = ranks
        self.collection_errors = []

    def pytest_collectreport(self, report):
        if report.failed:
            self.collection_errors.append(report.longreprtext)

    def pytest_collection_finish(self, session):
        """A file that cannot be imported on one rank would leave the others alone in their first test."""
        tests = f"collects {' '.join(item.nodeid for item in session.items) or 'nothing'}"
        outcome = "failed" if self.collection_errors else "passed"
        outcomes = self.ranks.exchange(Outcome(tests, outcome, "\n".join(self.collection_errors)))
        failed = [peer for peer, other in enumerate(outcomes) if other.outcome == "failed"]
        if failed and self.ranks.rank not in failed:
            pytest.exit(f"collection failed on {listed(failed)}:\n{outcomes[failed[0]].text}", returncode=2)
        joint = None if failed else joint_verdict(outcomes, self.ranks.rank)
        if joint is not None:
            pytest.exit(joint[1], returncode=2)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        with self.ranks.time_limit(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        text = "\n".join([report.longreprtext, *(f"--- {name}\n{output}" for name, output in report.sections)])
        outcomes = self.ranks.exchange(Outcome(f"{item.nodeid} ({report.when})", report.outcome, text))
        joint = joint_verdict(outcomes, self.ranks.rank)
        if joint is not None:
            report.outcome, report.longrepr = joint
            report.__dict__.pop("wasxfail", None)  # else a failure elsewhere would count as the expected one here
        return report


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    if not config.getoption("--with-mpi"):
        return
    os.environ["MPITRAIN_CHECK"] = "1"
    ranks = Ranks()
    # Ranks that clean up pytest's usual folder, which all runs share, would trip over one another.
    temporary = tempfile.TemporaryDirectory(prefix=f"pytest-rank{ranks.rank}-")
    os.environ["PYTEST_DEBUG_TEMPROOT"] = temporary.name
    config.add_cleanup(temporary.cleanup)
    config.pluginmanager.register(Agreement(ranks))
    if ranks.rank != 0:
        config.pluginmanager.unregister(name="terminalreporter")
        nowhere = open(os.devnull, "w")  # noqa: SIM115 - open as long as the reporter
        config.pluginmanager.register(pytest.TerminalReporter(config, nowhere), "terminalreporter")


def pytest_ignore_collect(config):
    """Plain pytest leaves this folder alone."""
    return None if config.getoption("--with-mpi") else True


@pytest.fixture(scope="session")
def world():
    """All ranks of this launch, on the best engine for each call."""
    yield from world_on("auto")


@pytest.fixture(scope="session", params=["mpi", "shared"])
def one_engine(request):
    """All ranks of this launch, on each engine in turn."""
    yield from world_on(request.param)


def world_on(engine):
    from mpi4py import MPI

    from mpitrain.engines.mpi import MPIWorld

    world = MPIWorld(MPI.COMM_WORLD, engine=engine)
    yield world
    world.close()


@pytest.fixture(scope="session")
def mpi():
    from mpitrain.engines.start import MPI

    return MPI


@pytest.fixture(scope="session")
def plain(mpi):
    """mpi4py's own communicator."""
    return mpi.COMM_WORLD


@pytest.fixture(scope="module", params=["auto", "shared", "mpi"])
def comm(request, mpi):
    """Ours, by `auto`, and by algorithms of ours on each engine."""
    from communicators import OURS  # here, since this file is read where that is not to be found

    import mpitrain

    if request.param == "auto":
        made = mpitrain.Communicator(mpi.COMM_WORLD)
    elif request.param == "shared" and mpi.COMM_WORLD.size == 1:
        pytest.skip("one rank shares its memory with nobody")
    else:
        made = mpitrain.Communicator(mpi.COMM_WORLD, OURS, request.param)
    yield made
    made.calls.close()
