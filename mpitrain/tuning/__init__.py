"""Which engine and algorithm `auto` takes, and why. Pure: measuring is a command, reading the file an engine's affair.

measured   a table of `mpitrain tune`, where it was made on a place like this one and has sizes around this one
defaults   else, on one node, the tables that stand in `defaults.py`
model      else, on several nodes, the algorithms' cards priced on a network

Beside it stands what calls cost at a place: a model that `mpitrain calibrate` fits, and that tells times of algorithms
which nobody has measured there (`cost_model`). Nothing is chosen by it yet.
"""

from mpitrain.tuning.choice import LIBRARY_WAY, Choice, Way
from mpitrain.tuning.choose import Tuning, choose
from mpitrain.tuning.measured import Measured, Place

__all__ = ["LIBRARY_WAY", "Choice", "Measured", "Place", "Tuning", "Way", "choose"]
