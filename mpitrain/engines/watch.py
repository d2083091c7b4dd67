"""Watch for stalls: a thread that sleeps, and speaks once this rank has waited in one call for long.

It wakes up a few times in that time, and compares the counts of calls (`tally`) with those it saw last; only where
none has changed does it look where the main thread is. Once that has waited for `warn` seconds, the watches of all
ranks ask each other, on a communicator of their own, what their ranks do. The lowest rank that waits speaks for all.

    rank 2's watch            rank 0's watch            rank 1's watch
    I wait: what do you?  ->  I wait too
                          ->                            I am at load.py:7
    a lower one waits         what do you? ...          I am at load.py:7
                              reports

One watch serves a whole process, since its main thread waits in one call at a time, whichever world's that is. A rank
whose program has ended goes on answering until all have ended; MPI_Finalize would wait for the others as well.
"""

import atexit
import math
import os
import sys
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from mpitrain.engines.check import take_part_at_the_end
from mpitrain.engines.failure import TELLING
from mpitrain.engines.mover import MOVERS
from mpitrain.engines.stall import State, report
from mpitrain.engines.start import MPI
from mpitrain.engines.tally import TALLY
from mpitrain.engines.whereabouts import Waiting, place_of, waiting_of
from mpitrain.errors import UsageError

QUESTION, ANSWER = 1, 2
"""Tags: the number of a question, and (that number, State)."""

AT_ONCE = 0.01
"""Seconds between two looks for messages while some are expected."""

PATIENCE = 3.0
"""Seconds that another watch may take to answer, besides those that it may sleep."""


class Limits(NamedTuple):
    """Seconds of waiting in one call, after which a rank reports, and ends the job; `math.inf`: never."""

    warn: float
    abort: float

    @property
    def sleep(self) -> float:
        """Seconds between two looks."""
        return min(1.0, max(0.05, min(self) / 8))


def limits_of(environment: Mapping[str, str], warn: float, abort: float | None) -> Limits:
    """What the environment says, else what is given."""
    found = []
    for name, given in (("MPITRAIN_STALL_WARN", warn), ("MPITRAIN_STALL_ABORT", abort)):
        text = environment.get(name) or str(math.inf if given is None else given)
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not seconds > 0:
            raise UsageError(f"{name}={text}: expected seconds, more than 0", agreed=True)
        found.append(seconds)
    return Limits(*found)


def watch(limits: Limits) -> None:
    """From now on this process is watched. Collective for all ranks of the job."""
    if MPI.COMM_WORLD.Get_size() == 1:
        return
    if _watches:
        _watches[0].limits = _watches[0].agreed(limits)
    else:
        _watches.append(Watch(limits))


_watches: list["Watch"] = []  # the one of this process, once there is one


class Watch:
    """The watch of this process's calling thread. Collective to make, for all ranks of the job."""

    def __init__(self, limits: Limits):
        self._comm = MPI.COMM_WORLD.Dup()
        self.limits = self.agreed(limits)
        self._talks = self._comm.allreduce(MPI.Query_thread(), MPI.MIN) == MPI.THREAD_MULTIPLE
        self._rank, self._size = self._comm.rank, self._comm.size
        self._process, self._watched = os.getpid(), threading.get_ident()
        self._stamp, self._since = TALLY.stamp(), math.inf  # from when on it has been seen in a call
        self._reported = self._over = False
        self._questions = 0
        self._answers: dict[int, State] = {}
        self._sent: list[MPI.Request] = []
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mpitrain watch", daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def agreed(self, limits: Limits) -> Limits:
        """Those of rank 0. Collective."""
        return Limits(*self._comm.bcast(limits))

    def end(self) -> None:
        """At the end of the program, before MPI's: wait until all ranks have come to theirs."""
        if os.getpid() != self._process or MPI.Is_finalized():
            return
        take_part_at_the_end()
        self._over = True
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._woken.wait(self.limits.sleep) and not MPI.Is_finalized():
            waited = self._look()
            self._answer()
            if waited >= self.limits.abort or (waited >= self.limits.warn and not self._reported):
                self._stalled(waited)
        if self._over and self._talks:
            ended = self._comm.Ibarrier()
            while not ended.Test():
                self._answer()
                time.sleep(AT_ONCE)
            self._answer()

    def _look(self) -> float:
        """For how many seconds the main thread has been in one call."""
        now, stamp = time.monotonic(), TALLY.stamp()
        if stamp != self._stamp:
            self._stamp, self._since = stamp, math.inf
            return 0.0
        if self._waiting() is None:
            self._since, self._reported = math.inf, False
            return 0.0
        if self._since == math.inf:
            self._since, self._reported = now, False
        return now - self._since

    def _waiting(self) -> Waiting | None:
        return None if self._over else waiting_of(self._watched)

    def _state(self) -> State:
        waited, waiting = self._look(), self._waiting()
        collectives = TALLY.collectives + (waiting is not None and not waiting.counted)
        return State(
            waiting, place_of(self._watched), waited, self._reported, collectives, TALLY.begun - TALLY.ended,
            TALLY.worlds == 0, self._over, bool(MOVERS),
        )  # fmt: skip

    def _stalled(self, waited: float) -> None:
        """Report, unless another rank does or has done so; and end the job if it is time."""
        states = self._ask_all() if self._talks else {self._rank: self._state()}
        own = states[self._rank]
        ending = waited >= self.limits.abort
        if own is None or own.waiting is None or own.waited < waited:
            return  # it went on meanwhile
        waiting = {
            rank: state
            for rank, state in states.items()
            if state is not None and state.waiting is not None and 2 * state.waited >= waited
        }
        late = waited >= self.limits.abort + 4 * PATIENCE  # the lower rank should have ended the job by now
        if not ending and any(state.reported for state in waiting.values()):
            self._reported = True
            return
        if min(waiting) < self._rank and not (ending and late):
            return  # that one will speak
        if ending:
            text = report(self._rank, states, self._size, self.limits.abort)
            self._say(f"{text}\nmpitrain: the job ends, since its stall-abort is {self.limits.abort:g} s")
            time.sleep(TELLING)
            self._abort()
        self._say(report(self._rank, states, self._size, self.limits.warn))
        self._reported = True

    def _ask_all(self) -> dict[int, State | None]:
        """Every rank's state, None for those that do not answer in time."""
        others = [rank for rank in range(self._size) if rank != self._rank]
        self._questions += 1
        self._answers = {}
        self._sent += [self._comm.isend(self._questions, rank, QUESTION) for rank in others]
        deadline = time.monotonic() + self.limits.sleep + PATIENCE
        while len(self._answers) < len(others) and time.monotonic() < deadline and not self._woken.is_set():
            self._answer()
            time.sleep(AT_ONCE)
        return {rank: self._state() if rank == self._rank else self._answers.get(rank) for rank in range(self._size)}

    def _answer(self) -> None:
        """Answer all questions that have come, and take in answers."""
        if not self._talks:
            return
        status = MPI.Status()
        while (message := self._comm.improbe(status=status)) is not None:
            content = message.recv()
            if status.Get_tag() == QUESTION:
                self._sent.append(self._comm.isend((content, self._state()), status.Get_source(), ANSWER))
            elif content[0] == self._questions:
                self._answers[status.Get_source()] = content[1]
        self._sent = [request for request in self._sent if not request.Test()]

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")  # in one piece
        sys.stderr.flush()

    def _abort(self) -> None:
        if self._talks:
            MPI.COMM_WORLD.Abort(1)
        os._exit(1)  # the launcher ends the job then
