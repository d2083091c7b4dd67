"""From an idea to a measured run: write an allreduce, prove it, draw it, run it beside the catalogue's.

python examples/own_algorithm.py                  proves and draws, needs no MPI
mpirun -n 8 python examples/own_algorithm.py      and runs
"""

import numpy as np

import mpitrain
from mpitrain.collectives.algorithm import collective, whole
from mpitrain.collectives.schedule import Copy, Reduce, Send, Step


@collective("allreduce", chunks=whole)
def there_and_back(rank, size):
    """Sums travel up the line of ranks, the total travels back down: simple, and slow for many ranks."""
    if rank > 0:
        yield Step(recv=[Reduce(rank - 1, 0)])
    if rank < size - 1:
        yield Step(send=[Send(rank + 1, 0)])
        yield Step(recv=[Copy(rank + 1, 0)])
    if rank > 0:
        yield Step(send=[Send(rank - 1, 0)])


def main():
    world = mpitrain.init()
    if world.rank == 0:
        proof = mpitrain.prove(there_and_back.schedule(8))
        print(f"proved at 8 ranks: {proof.roundings} roundings, all ranks alike: {proof.alike}\n")
        print(mpitrain.draw(there_and_back.schedule(4)), "\n")
    for algorithm in (there_and_back, "recursive_doubling", "library"):
        plan = world.plan("allreduce", np.zeros(1000, np.float32), algorithm=algorithm)
        times = []
        for _ in range(50):
            world.barrier()
            began = world.now()
            plan.run()
            times.append(world.now() - began)
        if world.rank == 0:
            print(f"{plan.algorithm:20} {1e6 * np.median(times):8.1f} us")
        plan.free()
    world.close()


if __name__ == "__main__":
    main()
