"""Recursive multiplying: as recursive doubling, but groups of up to `radix` ranks exchange all they have in a step.

With radix k a rank knows k times as much after each step: fewer steps, of k - 1 messages each, best where a rank can
have several messages on their way at once. The core are the most ranks whose number has no prime factor above the
radix; groups are as large as those factors allow, and need not be alike: 12 ranks are groups of 4, then of 3. The other
ranks are guests (`folding`).

    Ruefenacht, Bull and Booth, Generalisation of recursive doubling for AllReduce: now with simulation,
    Parallel Computing 69, 2017
"""

from collections.abc import Iterator
from math import prod

from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.folding import core_rank, place
from mpitrain.collectives.schedule import LEFT, OUTPUT, RIGHT, SCRATCH, Combine, Copy, Reduce, ScheduleError, Send, Step


@collective("allreduce", chunks=whole, ordered=True, radix=4)
def allreduce(rank: int, size: int, radix: int = 4) -> Iterator[Step]:
    """All members of a group add what they got in the same order, from the lowest rank to the highest.

    steps      len(groups(p, radix)) + (2 if p > prod(groups(p, radix)) else 0)
    bytes      n * (sum(group - 1 for group in groups(p, radix)) + (1 if p > prod(groups(p, radix)) else 0))
    roundings  sum(group - 1 for group in groups(p, radix)) + (1 if p > prod(groups(p, radix)) else 0)
    alike      yes
    order      rank
    sizes      any
    paper      Ruefenacht, Bull and Booth, Parallel Computing 69, 2017
    """
    sizes = groups(size, radix)
    index, host, guest = place(rank, size, prod(sizes))
    if host is not None:
        yield Step(send=[Send(host, 0)])
        yield Step(recv=[Copy(host, 0)])
        return
    if guest is not None:
        yield Step(recv=[Reduce(guest, 0)])
    distance = 1
    for group in sizes:
        place_in_group = index // distance % group
        members = [
            core_rank(index + (member - place_in_group) * distance, size, prod(sizes)) for member in range(group)
        ]
        yield exchange(members, place_in_group)
        distance *= group
    if guest is not None:
        yield Step(send=[Send(guest, 0)])


def exchange(members: list[int], mine: int) -> Step:
    """One's value to all others; what comes from below is summed apart, put on the left, and the rest is added."""
    below, above = members[:mine], members[mine + 1 :]
    recv = [Copy(peer, SCRATCH[0]) if peer == members[0] else Reduce(peer, SCRATCH[0]) for peer in below]
    recv += [Copy(peer, SCRATCH[at]) for at, peer in enumerate(above, start=1)]
    local = [Combine(SCRATCH[0], OUTPUT[0], LEFT)] if below else []
    local += [Combine(SCRATCH[at], OUTPUT[0], RIGHT) for at, _ in enumerate(above, start=1)]
    return Step(send=[Send(peer, 0) for peer in above + below], recv=recv, local=local)


def groups(size: int, radix: int) -> list[int]:
    """The groups' sizes: their product is the largest up to `size` that numbers up to `radix` have as a product."""
    if radix < 2:
        raise ScheduleError(f"recursive_multiplying: radix={radix}: expected 2 or more")
    found: list[int] = []
    for prime in next(factors for core in range(size, 0, -1) if max(factors := primes(core), default=1) <= radix):
        fitting = [at for at, group in enumerate(found) if group * prime <= radix]
        if fitting:
            found[fitting[0]] *= prime
        else:
            found.append(prime)
    return found


def primes(number: int) -> list[int]:
    """Its prime factors, the largest first."""
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors[::-1]
