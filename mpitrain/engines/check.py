"""Checked mode, MPITRAIN_CHECK=1: before each collective call the ranks compare what they are about to call.

A round of the check is one nonblocking allreduce of a hash. Only if hashes differ do the ranks exchange what they call
and from where, and all of them raise. While a rank waits in the check its works under way move on, since another rank
may first have to wait for one of those. A rank that raises before its call (for a bad argument) takes part with the
error, and one that comes to the end of its program with that, again and again until all have: none waits for ever.
"""

import atexit
import json
import os
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from sys import _getframe
from typing import Any, ClassVar

import numpy as np

from mpitrain.engines.call import Call
from mpitrain.engines.call_site import call_site
from mpitrain.engines.messages import MPIMessenger
from mpitrain.engines.mismatch import END, Called, mismatch_text
from mpitrain.engines.plan import EnginePlan
from mpitrain.engines.staged import Requests
from mpitrain.engines.start import MPI
from mpitrain.errors import CollectiveMismatch, UsageError
from mpitrain.event import Operation
from mpitrain.world import Plan, Work

Round = Generator[Requests, None, list[Called] | None]
"""Yields requests, to be gone on with once they are done; returns what every rank calls, None if all call the same."""


def wanted(environment: Mapping[str, str]) -> bool:
    """Whether this rank asks for checked mode."""
    value = environment.get("MPITRAIN_CHECK", "0")
    if value not in ("", "0", "1"):
        raise UsageError(f"MPITRAIN_CHECK={value}: expected 1 to check every collective call, or 0", agreed=True)
    return value == "1"


class Check:
    """The check of one world, on a communicator of its own. Collective to make."""

    open: ClassVar[list["Check"]] = []

    def __init__(self, comm: MPI.Intracomm, messenger: MPIMessenger):
        self._comm, self._messenger = comm.Dup(), messenger
        job = MPI.COMM_WORLD.Get_group()
        self._job_ranks = comm.Get_group().Translate_ranks(None, job)
        self._plans = 0
        self.called = END  # in the round at hand
        Check.open.append(self)

    def agree(self, call: str, arguments: Mapping[str, Any] | None = None) -> None:
        """Return once all ranks are about to make this call; `CollectiveMismatch` on every rank if some are not."""
        texts = {name: str(value) for name, value in (arguments or {}).items() if value is not None}
        calls = self._finished(self._round(Called(call, texts)))
        if calls is not None:
            raise self._mismatch(calls)

    def failed(self, call: str, error: Exception) -> None:
        """This rank raises `error` in the place of its call: the others, which may not, hear of it."""
        self._finished(self._round(Called(call, {}, f"{type(error).__name__}: {error}")))

    def bound(self, call: Call, operation: Operation, counts: Sequence[int] | None, kept: bool) -> None:
        """Agree on a collective, by the name of the World's method that was called for it."""
        self.agree(f"plan of {call.collective}" if kept else _method(), _arguments(operation) | {
            "root": call.root if call.kind.rooted else None,
            "counts": None if counts is None or call.exchanged is not None else list(counts),
        })  # fmt: skip

    def plan(self, plan: EnginePlan) -> "CheckedPlan":
        """The same plan; its runs will be agreed on. Plans are numbered as they are made."""
        self._plans += 1
        return CheckedPlan(self, plan, self._plans)

    def close(self) -> None:
        Check.open.remove(self)
        self._comm.Free()

    def end(self) -> Iterator[Requests]:
        """Take part with the end of the program until all ranks have come to theirs."""
        while (yield from self._round(END)) is not None:
            pass

    def move_on(self) -> None:
        """The works under way."""
        self._messenger.progress.move_others(None)

    def _finished(self, check: Round) -> list[Called] | None:
        while True:
            try:
                requests = next(check)
            except StopIteration as end:
                return end.value
            self._messenger.wait_moving(requests)

    def _round(self, called: Called) -> Round:
        self.called = called
        number = 0 if called.error is not None else _hash(called.signature)
        extremes = np.array([number, -number])
        yield [self._comm.Iallreduce(MPI.IN_PLACE, extremes, MPI.MIN)]
        if extremes[0] == -extremes[1]:
            return None
        site = None if called is END else call_site()
        own = json.dumps([called.call, dict(called.arguments), called.error, site]).encode()
        lengths = np.empty(self._comm.size, np.int64)
        yield [self._comm.Iallgather(np.array([len(own)]), lengths)]
        texts = np.empty((self._comm.size, lengths.max()), np.uint8)
        yield [self._comm.Iallgather(np.frombuffer(own.ljust(lengths.max()), np.uint8), texts)]
        return [Called(*json.loads(text.tobytes())) for text in texts]

    def _mismatch(self, calls: list[Called]) -> CollectiveMismatch:
        raising = [rank for rank, call in enumerate(calls) if call.error is None and call.call != END.call]
        return CollectiveMismatch(mismatch_text(calls, self._job_ranks), self._comm.rank == raising[0])


@lru_cache(maxsize=1024)
def _hash(signature: str) -> int:
    """From 1 up; 0 stands for errors, which need not be alike."""
    return 1 + int.from_bytes(blake2b(signature.encode(), digest_size=7).digest(), "little")


def _method() -> str:
    """The public method that leads here."""
    frame = _getframe(3)
    while frame.f_code.co_name.startswith("_") and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code.co_name


def _arguments(operation: Operation) -> dict[str, Any]:
    return {
        "count": operation.count, "dtype": operation.dtype, "op": operation.op, "algorithm": operation.algorithm,
        "engine": operation.engine,
    }  # fmt: skip


class CheckedPlan(Plan):
    """A plan whose ranks agree before each run. Whatever else it is asked, the plan itself answers."""

    def __init__(self, check: Check, plan: EnginePlan, number: int):
        self._check, self._plan = check, plan
        self._name, self._arguments = f"plan {number}, {plan.operation.collective}", _arguments(plan.operation)

    def run(self) -> Any:
        self._agree("run")
        return self._plan.run()

    def start(self) -> Work:
        self._agree("start")
        return self._plan.start()

    def free(self) -> None:
        if not self._plan.freed:
            self._agree("free")
        self._plan.free()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plan, name)

    def _agree(self, call: str) -> None:
        if self._check not in Check.open:
            return  # the world was closed, and the plan will say so
        name = f"{call} of {self._name}"
        try:
            self._plan.check_may_start()
        except ValueError as error:
            self._check.failed(name, error)
            raise
        self._check.agree(name, self._arguments)


def take_part_at_the_end() -> None:
    """At the end of the program: in all worlds that are still open, and in all at once, since ranks that go on may
    call something of any."""
    if not Check.open or os.getpid() != _PROCESS or MPI.Is_finalized():
        return
    waiting = {check: (rounds := check.end(), next(rounds)) for check in Check.open}
    while waiting:
        for check, (rounds, requests) in list(waiting.items()):
            check.move_on()
            if not MPI.Request.Testall(requests):
                continue
            try:
                waiting[check] = rounds, next(rounds)
            except StopIteration:
                del waiting[check]
        time.sleep(0.0005)
    Check.open.clear()


atexit.register(take_part_at_the_end)
_PROCESS = os.getpid()  # a child that was forked has no part in MPI
