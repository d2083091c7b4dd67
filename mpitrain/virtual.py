"""Virtual ranks: the same program on hundreds of them, in one process.

from mpitrain import virtual

def main(world):
    return world.allreduce(np.ones(3))[0]

virtual.run(main, ranks=64, network="cluster").results
"""

from mpitrain.engines.virtual.run import Outcome, run
from mpitrain.engines.virtual.trace import write_trace
from mpitrain.errors import Deadlock, RankFailed
from mpitrain.network import Fault, Network, Straggler

__all__ = ["Deadlock", "Fault", "Network", "Outcome", "RankFailed", "Straggler", "run", "write_trace"]
