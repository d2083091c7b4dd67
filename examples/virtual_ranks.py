"""What a slow rank costs a synchronous program, and what a crash does to it: python examples/virtual_ranks.py

The program is one that runs under mpirun as well; only `virtual.run` knows that the ranks are none.
"""

import numpy as np

from mpitrain import virtual
from mpitrain.network import Fault, Network, Straggler
from mpitrain.world import World


def steps(world: World, algorithm: str = "halving_doubling") -> float:
    """A hundred steps of computing for 1 ms and summing 1 MiB over all ranks; when they are over."""
    gradient = np.zeros(1 << 18, np.float32)
    for _ in range(100):
        world.compute(1e-3)
        world.allreduce(gradient, algorithm=algorithm)
    return world.now()


def until_somebody_fails(world: World) -> str:
    """Only who waits for a rank that is gone hears of it: by direct exchange that is everybody."""
    try:
        return f"done at {steps(world, 'direct'):.4f} s"
    except virtual.RankFailed as failure:
        return f"heard at {world.now():.4f} s that rank {failure.rank} is gone"


def network(**trouble: tuple) -> Network:
    return Network.flat(alpha=1.5e-6, beta=8e-11, gamma=5e-11, **trouble)


if __name__ == "__main__":
    for name, straggler in {
        "all alike": (),
        "rank 3 always 1.5 times slower": (Straggler(1.5, ranks=(3,)),),
        "every rank now and then up to 1.5 times slower": (Straggler(1.5, "random"),),
    }.items():
        outcome = virtual.run(steps, ranks=16, network=network(stragglers=straggler))
        print(f"{name}: {outcome.seconds:.4f} s")
    outcome = virtual.run(until_somebody_fails, ranks=4, network=network(faults=(Fault("crash", 3, 0.05),)))
    print(*(f"rank {rank}: {told or 'crashed'}" for rank, told in enumerate(outcome.results)), sep="\n")
