"""Price a schedule: values become clocks.

Hockney's model with one port each way at every rank, full duplex: a message of b bytes takes alpha + beta b at the
sender's port and at the receiver's, and a step's messages follow each other at a port. Once all of a step's messages
have arrived, combining takes gamma for each byte reduced. Local copies are free. In exact numbers (Fraction) the
textbooks' closed forms come out exactly.

    Hockney, The communication challenge for MPP: Intel Paragon and Meiko CS-2, Parallel Computing 20(3), 1994
    Thakur, Rabenseifner and Gropp, IJHPCA 19(1), 2005
"""

from collections.abc import Sequence
from fractions import Fraction

from mpitrain.analysis.replay import replay
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import Chunks, Combine, Reduce, Step
from mpitrain.network import Network, Number


def price(schedule: Schedule, nbytes: Number, network: Network) -> Number:
    """Seconds until the last rank is done, for data of `nbytes` bytes cut evenly into the schedule's chunks."""
    ports = _Ports(schedule, Fraction(nbytes) if isinstance(nbytes, int) else nbytes, network)
    replay(schedule, ports)
    return max(ports.clock)


class _Ports:
    def __init__(self, schedule: Schedule, nbytes: Number, network: Network):
        self.network = network
        self.chunk_bytes = nbytes / schedule.chunks
        self.clock: list[Number] = [0] * schedule.size
        self.sent_by: list[Number] = [0] * schedule.size

    def begin(self, rank: int, number: int, step: Step) -> Sequence[tuple[Number, Number]]:
        out, messages = self.clock[rank], []
        for send in step.send:
            occupied = self.network.alpha + self.network.beta * self._bytes(send.chunks)
            out += occupied
            messages.append((out, occupied))
        self.sent_by[rank] = out
        return messages

    def end(self, rank: int, number: int, step: Step, arrived: Sequence[tuple[Number, Number]]) -> None:
        port = self.clock[rank]
        for sent_by, occupied in sorted(arrived):
            port = max(port + occupied, sent_by)
        combined = [receive.chunks for receive in step.recv if isinstance(receive, Reduce)]
        combined += [action.target for action in step.local if isinstance(action, Combine)]
        combining = self.network.gamma * sum(self._bytes(chunks) for chunks in combined)
        self.clock[rank] = max(port, self.sent_by[rank]) + combining

    def _bytes(self, chunks: Chunks) -> Number:
        return (chunks.stop - chunks.start) * self.chunk_bytes


def bytes_sent(schedule: Schedule, rank: int) -> Fraction:
    """What `rank` sends, as a multiple of the data's size, if they are cut evenly."""
    chunks = sum(send.chunks.stop - send.chunks.start for step in schedule.programs[rank] for send in step.send)
    return Fraction(chunks, schedule.chunks)
