"""Walk every rank's program, where there are not too many messages: the price of the whole schedule.

The rules are those of `price`: a message occupies its sender's port, then its receiver's; a step's messages follow each
other at a port; what is summed takes its time once all have come. But clocks are lines (`lines.py`), programs are not
kept, and nobody waits for a receiver: what has left is there. So 65,536 ranks can be walked.
"""

from collections import deque
from typing import NamedTuple

from mpitrain.analysis.estimate.costs import Costs, Flows
from mpitrain.analysis.estimate.lines import ZERO, Envelope, Line, highest, later, never_before, plus
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Combine, Reduce, ScheduleError, Step
from mpitrain.network.topology import Link


class Message(NamedTuple):
    """When it has left its sender, for how long it occupies the receiver's port, and in which turn it travels."""

    sent: Envelope
    occupies: Line
    turn: int


class Walked(NamedTuple):
    """When the last rank is done. At a port where the order of messages depends on their size, some order is taken:
    `upper` is then no more than a bound, and so is `lower`, for which they come together there."""

    lower: Envelope
    upper: Envelope


def walk(schedule: Schedule, costs: Costs) -> Walked:
    """The price of a whole schedule; `ScheduleError` if a rank waits for what nobody sends."""
    ranks = _Ranks(schedule, costs)
    ranks.run()
    upper = ranks.end()
    if not ranks.undecided:
        return Walked(upper, upper)
    ranks = _Ranks(schedule, costs, together=True)
    ranks.run()
    return Walked(ranks.end(), upper)


def flows_of(schedule: Schedule, costs: Costs) -> Flows:
    """How many messages can pass each link at once in each turn: one from every rank that sends over it, one to every
    rank that receives over it, whichever are fewer."""
    ranks = _Ranks(schedule, costs, counting=True)
    ranks.run()
    return {key: min(len(ends) for ends in map(set, zip(*pairs, strict=True))) for key, pairs in ranks.flows.items()}


class _Ranks:
    def __init__(self, schedule: Schedule, costs: Costs, together: bool = False, counting: bool = False):
        self.schedule, self.costs, self.together, self.counting = schedule, costs, together, counting
        size = schedule.size
        self.programs = [schedule.algorithm(rank, size, **schedule.parameters) for rank in range(size)]
        self.steps: list[Step | None] = [None] * size
        self.clock: list[Envelope] = [ZERO] * size
        self.out: list[Envelope] = [ZERO] * size  # when all of a rank's step has been sent
        self.turn = [0] * size
        self.arrived: list[list[Message]] = [[] for _ in range(size)]
        self.wires: dict[tuple[int, int], deque[Message] | Message] = {}
        self.awaited: set[tuple[int, int]] = set()
        self.undecided = False
        self.flows: dict[tuple[int, Link], list[tuple[int, int]]] = {}

    def end(self) -> Envelope:
        return highest(line for clock in set(self.clock) for line in clock)

    def run(self) -> None:
        for first in range(self.schedule.size):
            ready = [first]
            while ready:
                self._advance(ready.pop(), ready)
        for source, target in sorted(self.awaited):
            raise ScheduleError(f"{self.schedule}: rank {target} waits for ever for a message from rank {source}")

    def _advance(self, rank: int, ready: list[int]) -> None:
        """Go on with a rank's program until it waits; `ready` gets those who waited for what it sends."""
        step, program = self.steps[rank], self.programs[rank]
        arrived = self.arrived[rank]
        while True:
            if step is None:
                step = next(program, None)
                if step is None:
                    return
                if step.send:
                    self._send(rank, step, ready)
                else:
                    self.out[rank] = self.clock[rank]
            for receive in step.recv[len(arrived) :] if arrived else step.recv:
                message = self._take((receive.peer, rank))
                if message is None:
                    self.steps[rank] = step
                    return
                arrived.append(message)
            self._end(rank, step, arrived)
            self.steps[rank] = step = None

    def _take(self, wire: tuple[int, int]) -> Message | None:
        """The next message; who finds none is awaited."""
        found = self.wires.get(wire)
        if found is None:
            self.awaited.add(wire)
            return None
        if isinstance(found, Message):
            del self.wires[wire]
            return found
        message = found.popleft()
        if not found:
            del self.wires[wire]
        return message

    def _send(self, rank: int, step: Step, ready: list[int]) -> None:
        out, turn = self.clock[rank], self.turn[rank] + 1
        for peer, (_, start, stop), _ in step.send:
            occupies = self.costs.message(rank, peer, stop - start, turn)
            out = plus(out, occupies)
            self._put((rank, peer), Message(out, occupies, turn))
            if (rank, peer) in self.awaited:
                self.awaited.discard((rank, peer))
                ready.append(peer)
            if self.counting:
                for link in self.costs.network.route(rank, peer).links:
                    self.flows.setdefault((turn, link), []).append((rank, peer))
        self.out[rank] = out

    def _put(self, wire: tuple[int, int], message: Message) -> None:
        found = self.wires.get(wire)
        if found is None:
            self.wires[wire] = message
        elif isinstance(found, Message):
            self.wires[wire] = deque((found, message))
        else:
            found.append(message)

    def _end(self, rank: int, step: Step, arrived: list[Message]) -> None:
        clock = self.out[rank]
        if arrived:
            clock = later(clock, self._received(self.clock[rank], arrived))
            self.turn[rank] = max(self.turn[rank], *(message.turn for message in arrived))
            arrived.clear()
        elif step.send:
            self.turn[rank] += 1
        summed = combined_chunks(step)
        self.clock[rank] = plus(clock, (0, self.costs.gamma * summed)) if summed else clock

    def _received(self, port: Envelope, arrived: list[Message]) -> Envelope:
        if len(arrived) == 1:
            return later(plus(port, arrived[0].occupies), arrived[0].sent)
        if self.together:
            alpha, beta = (sum(message.occupies[part] for message in arrived) for part in (0, 1))
            whole = plus(port, (alpha, beta))
            return highest([*whole, *(line for message in arrived for line in message.sent)])
        # The order by values at one byte is an order at all sizes, if each message is never before the last one.
        arrived.sort(key=lambda message: (max(map(sum, message.sent)), message.occupies))
        last = arrived[0]
        for message in arrived:
            if message.sent is not last.sent and not never_before(message.sent, last.sent):
                self.undecided = True
            last = message
            port = later(plus(port, message.occupies), message.sent)
        return port


def combined_chunks(step: Step) -> int:
    """How many chunks a step sums."""
    total = 0
    for receive in step.recv:
        if isinstance(receive, Reduce):
            total += receive.chunks.stop - receive.chunks.start
    for action in step.local:
        if isinstance(action, Combine):
            total += action.target.stop - action.target.start
    return total
