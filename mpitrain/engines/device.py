"""A world whose data may lie on the ranks' devices.

Arrays of the host go to the world that was there before; arrays of the device to a world that reaches devices, which
has been chosen for all ranks (`transport`). All calls of a collective give arrays of the same side on all ranks.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from mpitrain.array import as_array, namespace
from mpitrain.event import Event
from mpitrain.world import AlgorithmLike, Array, Window, Work, World

if TYPE_CHECKING:
    from mpitrain.engines.cuda_aware import AwareWorld
    from mpitrain.engines.pinned_world import PinnedWorld
    from mpitrain.engines.stream_world import StreamWorld

ForDevices: TypeAlias = "StreamWorld | AwareWorld | PinnedWorld"


class DeviceWorld(World):
    """`host` is the world of the same ranks, and remains its owner's. What `make` makes of a copy of it reaches their
    devices; `why` says why that way. Collective to make and close."""

    def __init__(self, host: World, xp: ModuleType, make: Callable[[World], ForDevices], why: str):
        own = host.split(0, host.rank)
        assert own is not None
        self.host, self.xp, self.devices, self.why = host, xp, make(own), why
        self._make = make
        self._owned: World | None = None  # the host's part, of a world that was split off
        self.rank, self.size, self.tuning = host.rank, host.size, host.tuning
        self.node, self.node_rank, self.node_size = host.node, host.node_rank, host.node_size
        self.engine, self.engines = self.devices.engine, self.devices.engines

    def empty(self, count: int, dtype: Any = "float32") -> Array:
        """Memory of the device, as its pool gives it: aligned to 512 bytes."""
        return self.xp.empty(count, dtype)

    def explain(self, collective: str, nbytes: int) -> Any:
        """For data on devices."""
        return self.devices.explain(collective, nbytes)

    def observe(self, observer: Callable[[Event], None]) -> None:
        """Of both sides; of works on devices the host hears when it looks, at the latest in `settle`."""
        self.host.observe(observer)
        self.devices.observe(observer)

    def move_on(self) -> None:
        self.devices.move_on()
        self.host.move_on()

    def settle(self) -> None:
        """Return once everything that was started on devices is done: then all events have their times."""
        self.devices.settle()

    def barrier(self, *, algorithm: AlgorithmLike = "auto") -> None:
        """Of the hosts, once this rank's device has done what it was given."""
        self.settle()
        self.host.barrier(algorithm=algorithm)

    def start_send(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        """Of host memory."""
        return self.host.start_send(buffer, peer, tag)

    def start_recv(self, buffer: Array, peer: int, tag: int = 0) -> Work:
        """Into host memory."""
        return self.host.start_recv(buffer, peer, tag)

    def probe(self, peer: int | None = None, tag: int | None = None) -> tuple[int, int, int] | None:
        return self.host.probe(peer, tag)

    def window(self, count: int, dtype: Any = "float32") -> Window:
        """Of host memory."""
        return self.host.window(count, dtype)

    def now(self) -> float:
        return self.host.now()

    def background(self, function: Callable[[], Any]) -> Work:
        return self.host.background(function)

    def split(self, color: int | None, key: int = 0) -> "DeviceWorld | None":
        """The same transport, among fewer."""
        self.devices.set_out()
        part = self.host.split(color, key)
        if part is None:
            return None
        world = DeviceWorld(part, self.xp, self._make, self.why)
        world._owned = part
        return world

    def close(self) -> None:
        """The part that reaches devices. `host` stays open."""
        self.devices.close()
        if self._owned is not None:
            self._owned.close()

    def abort(self, code: int = 1) -> NoReturn:
        self.host.abort(code)

    def _run(self, collective: str, buffer: Array | None, algorithm: AlgorithmLike, *rest: Any, **others: Any) -> Any:
        return self._side(buffer, *rest, **others)._run(collective, buffer, algorithm, *rest, **others)

    def _bound(self, collective: str, buffer: Array | None, algorithm: AlgorithmLike, *rest: Any, **others: Any) -> Any:
        return self._side(buffer, *rest, **others)._bound(collective, buffer, algorithm, *rest, **others)

    def _side(
        self,
        buffer: Array | None,
        op: Any = None,
        root: int = 0,
        counts: Any = None,
        received: Array | None = None,
        *rest: Any,
        **others: Any,
    ) -> World:
        """Whose arrays these are. Calls of the host block, so what was started on devices sets out first."""
        array = received if buffer is None else buffer
        if array is not None and namespace(as_array(array)) is self.xp:
            return self.devices
        self.devices.set_out()
        return self.host
