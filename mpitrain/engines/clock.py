"""One clock for all ranks.

On one host every process reads the same monotonic clock. Ranks of other hosts ask rank 0 for its time and take half of
the round trip for the way back, as NTP does; the quickest of several rounds counts.

    Cristian, Probabilistic clock synchronization, Distributed Computing 3(3), 1989
"""

import time

from mpitrain.engines.start import MPI

ROUNDS = 10


def offset(comm: MPI.Intracomm) -> float:
    """Seconds to add to `time.perf_counter` so that it reads like rank 0's. Collective."""
    hosts = comm.allgather(MPI.Get_processor_name())
    strangers = [rank for rank, host in enumerate(hosts) if host != hosts[0]]
    found = 0.0
    for rank in strangers:
        if comm.Get_rank() == rank:
            found = min(_ask(comm) for _ in range(ROUNDS))[1]
        elif comm.Get_rank() == 0:
            for _ in range(ROUNDS):
                comm.recv(source=rank)
                comm.send(time.perf_counter(), dest=rank)
    return found


def _ask(comm: MPI.Intracomm) -> tuple[float, float]:
    """(round trip, offset), both in seconds."""
    asked = time.perf_counter()
    comm.send(None, dest=0)
    told = comm.recv(source=0)
    answered = time.perf_counter()
    return answered - asked, told - (asked + answered) / 2
