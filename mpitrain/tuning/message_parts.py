"""What the steps of a program become as messages: three parts a step.

post     begin its messages: what is short is copied out and sent at once
receive  take what arrives, one after the other. A long message is pulled straight from the sender's memory once
         both have begun it (in Open MPI: CMA), which is the receiver's work
finish   once the receivers of its long messages are done with them: sum, and copy
"""

from collections.abc import Sequence

from mpitrain.analysis.replay import replay
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import INPUT, OUTPUT, SCRATCH, Chunks, Combine, Copy, Program, Reduce, Step
from mpitrain.tuning.parts import Cell, Part, Touch

POST, RECEIVE, FINISH = range(3)

Message = tuple[int, int, int]
"""The rank that sends or receives it, the number of the step, and which of the step's it is."""


class Matching:
    """A reading of the walk: which message is which."""

    def __init__(self) -> None:
        self.sent: dict[Message, Message] = {}  # by the receiver's
        self.received: dict[Message, Message] = {}  # by the sender's

    def begin(self, rank: int, number: int, step: Step) -> Sequence[Message]:
        return [(rank, number, at) for at in range(len(step.send))]

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[Message]) -> None:
        for at, sent in enumerate(arrived):
            self.sent[rank, number, at] = sent
            self.received[sent] = (rank, number, at)


def message_parts(schedule: Schedule, nbytes: float, eager: int) -> list[list[Part]]:
    """Of every rank. Messages of fewer than `eager` bytes are sent at once."""
    matching = Matching()
    replay(schedule, matching)
    chunk = nbytes / schedule.chunks
    return [
        [
            part
            for number, step in enumerate(program)
            for part in _Stage(schedule, matching, rank, number, step, chunk, eager).parts()
        ]
        for rank, program in enumerate(schedule.programs)
    ]


class _Stage:
    """One step of one rank."""

    def __init__(
        self, schedule: Schedule, matching: Matching, rank: int, number: int, step: Step, chunk: float, eager: int
    ):
        self.schedule, self.matching, self.rank, self.number, self.step = schedule, matching, rank, number, step
        self.chunk, self.eager = chunk, eager

    def parts(self) -> tuple[Part, Part, Part]:
        return self._post(), self._receive(), self._finish()

    def _post(self) -> Part:
        step = self.step
        counts: dict[str, float] = {"stage" if step.send or step.recv else "local": 1}
        touches: list[Touch] = []
        if self.number == 0:
            counts["call"] = 1
            if self._kept(self.rank):
                counts["copies"] = 1
                for chunk in range(self.schedule.chunks):
                    own = self._cells(self.rank, OUTPUT[chunk])
                    touches.append(Touch("copy", ((self.rank, "the caller's", chunk),), own, self.chunk))
        for send in step.send:
            self._count(counts, "send", self._bytes(send.chunks))
        return Part(self.rank, (), counts, tuple(touches))

    def _receive(self) -> Part:
        counts: dict[str, float] = {}
        after, touches = [], []
        arrivals = self._arrivals()
        for at, receive in enumerate(self.step.recv):
            sender, number, which = self.matching.sent[self.rank, self.number, at]
            after.append((sender, 3 * number + POST))
            if not self._count(counts, "receive", self._bytes(receive.chunks)):
                source = self.schedule.programs[sender][number].send[which].chunks
                private = source.space is SCRATCH or self._kept(sender)
                how = "pull_private" if private else "pull"
                touches.append(Touch(how, self._cells(sender, source), arrivals[at], self.chunk))
        return Part(self.rank, tuple(after), counts, tuple(touches))

    def _finish(self) -> Part:
        counts: dict[str, float] = {"combines": 0, "copies": 0}
        touches = []
        for at, (receive, arrival) in enumerate(zip(self.step.recv, self._arrivals(), strict=True)):
            if must_stage(self.step, at):
                combines = isinstance(receive, Reduce)
                counts["combines" if combines else "copies"] += 1
                target = self._cells(self.rank, receive.chunks)
                touches.append(Touch("combine" if combines else "copy", arrival, target, self.chunk))
        for action in self.step.local:
            combines = isinstance(action, Combine)
            counts["combines" if combines else "copies"] += 1
            source, target = self._cells(self.rank, action.source), self._cells(self.rank, action.target)
            touches.append(Touch("combine" if combines else "copy", source, target, self.chunk))
        after = []
        for at, send in enumerate(self.step.send):
            if self._bytes(send.chunks) >= self.eager:
                receiver, number, _ = self.matching.received[self.rank, self.number, at]
                after.append((receiver, 3 * number + RECEIVE))
        return Part(self.rank, tuple(after), counts, tuple(touches))

    def _count(self, counts: dict[str, float], what: str, nbytes: float) -> bool:
        """Count a message; whether it is short."""
        short = nbytes < self.eager
        counts[what if short else f"{what}_long"] = counts.get(what if short else f"{what}_long", 0) + 1
        if short:
            counts["short_bytes"] = counts.get("short_bytes", 0) + nbytes
        return short

    def _arrivals(self) -> list[tuple[Cell, ...]]:
        """Where each message arrives: in place, or in the memory in which all steps stage."""
        found: list[tuple[Cell, ...]] = []
        used = 0
        for at, receive in enumerate(self.step.recv):
            length = receive.chunks.stop - receive.chunks.start
            if must_stage(self.step, at):
                found.append(tuple((self.rank, "staged", used + number) for number in range(length)))
                used += length
            else:
                found.append(self._cells(self.rank, receive.chunks))
        return found

    def _cells(self, rank: int, chunks: Chunks) -> tuple[Cell, ...]:
        space = OUTPUT if chunks.space is INPUT and self.schedule.algorithm.kind.in_place else chunks.space
        return tuple((rank, str(space), number) for number in range(chunks.start, chunks.stop))

    def _bytes(self, chunks: Chunks) -> float:
        return (chunks.stop - chunks.start) * self.chunk

    def _kept(self, rank: int) -> bool:
        """Whether the rank's program works on a copy, since MPI leaves its caller's memory as it is."""
        program: Program = self.schedule.programs[rank]
        reduce = self.schedule.algorithm.collective == "reduce"
        return reduce and rank != self.schedule.root and any(step.recv for step in program)


def must_stage(step: Step, number: int) -> bool:
    """Whether a message may not arrive in place, as engines bind it: it is combined, or its place is used as well."""
    receive = step.recv[number]
    others = [send.chunks for send in step.send] + [r.chunks for i, r in enumerate(step.recv) if i != number]
    return not isinstance(receive, Copy) or any(receive.chunks.overlaps(chunks) for chunks in others)
