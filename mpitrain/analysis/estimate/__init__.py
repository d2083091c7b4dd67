"""Prices at any size, on any number of ranks: whole walks where that is quick, else some ranks that speak for all.

for curve in curves("allreduce", 65536, Network.flat(1.5e-6, 8e-11, 5e-11)): print(curve.name, curve.seconds(1 << 20))
"""

from mpitrain.analysis.estimate.bound import Bound, bound
from mpitrain.analysis.estimate.curve import Curve, Reign, best, curve, curves, nodes_of, reigns
from mpitrain.analysis.estimate.estimate import Estimate, estimate

__all__ = [
    "Bound",
    "Curve",
    "Estimate",
    "Reign",
    "best",
    "bound",
    "curve",
    "curves",
    "estimate",
    "nodes_of",
    "reigns",
]
