"""mpitrain: train neural networks on many processes, through collectives written down rank by rank.

Importing this starts no MPI and loads nothing but Python: names are fetched when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mpitrain.analysis.draw import draw
    from mpitrain.analysis.price import price
    from mpitrain.analysis.prove import Proof, prove
    from mpitrain.collectives.algorithm import Algorithm, Schedule
    from mpitrain.collectives.schedule import ScheduleError
    from mpitrain.communicator import Communicator
    from mpitrain.engines import init
    from mpitrain.engines.reduction import Op
    from mpitrain.errors import CollectiveMismatch, UsageError
    from mpitrain.event import Event
    from mpitrain.network import Network
    from mpitrain.world import Plan, Work, World

__version__ = "0.1.0"

_HOMES = {
    "Algorithm": "collectives.algorithm",
    "CollectiveMismatch": "errors",
    "Communicator": "communicator",
    "Event": "event",
    "Network": "network",
    "Op": "engines.reduction",
    "Plan": "world",
    "Proof": "analysis.prove",
    "Schedule": "collectives.algorithm",
    "ScheduleError": "collectives.schedule",
    "UsageError": "errors",
    "Work": "world",
    "World": "world",
    "draw": "analysis.draw",
    "init": "engines",
    "price": "analysis.price",
    "prove": "analysis.prove",
}

__all__ = [
    "Algorithm", "CollectiveMismatch", "Communicator", "Event", "Network", "Op", "Plan", "Proof", "Schedule",
    "ScheduleError", "UsageError", "Work", "World", "draw", "init", "price", "prove",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mpitrain' has no attribute {name!r}")
    return getattr(import_module(f"mpitrain.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
