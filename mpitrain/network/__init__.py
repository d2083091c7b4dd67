"""What a network is, as data: what a message costs, which links it shares with others, how fast ranks compute, and what
goes wrong when. Pure Python; prices and the virtual world read it.
"""

from mpitrain.network.network import Network, Number
from mpitrain.network.read import read
from mpitrain.network.topology import Route, Wire
from mpitrain.network.trouble import Fault, Straggler

__all__ = ["Fault", "Network", "Number", "Route", "Straggler", "Wire", "read"]
