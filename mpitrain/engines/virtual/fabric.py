"""How messages move: out of the sender's port, over what they share, and into the receiver's port.

Every rank has one port out and one in, full duplex; at a port messages follow each other, and each takes
alpha + beta b. A message that shares nothing with others has left when its sender's port is done with it. One that
shares links leaves at the rate that they give it, at most 1 / beta. The receiver's port takes messages in the order in
which they left, from when their receives are posted on, and none is there before it has left. This is the model of
`analysis.price`, and on a flat network it gives the same numbers.

Up to `eager` bytes a message goes without asking; a longer one leaves once its receive is posted, `rendezvous` seconds
later.
"""

from collections import deque
from functools import partial
from math import inf
from typing import Any

import numpy as np

from mpitrain.engines.virtual.kernel import Kernel
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.virtual.recorder import Recorder
from mpitrain.engines.virtual.requests import Request
from mpitrain.engines.virtual.sharing import Flow, Sharing
from mpitrain.errors import RankFailed
from mpitrain.network import Network, Number
from mpitrain.network.topology import Link, Route

Channel = tuple[int, int, Any]
"""(source, target, context): of one channel the first message meets the first receive, the second the second, ..."""


class Message:
    """On its way; `begun` and `left`: when it entered and left the sender's port; `recv`: who takes it, if anybody."""

    __slots__ = ("asks", "begun", "channel", "data", "flow", "left", "number", "recv", "route", "send", "takes")

    def __init__(self, number: int, send: Request, channel: Channel, route: Route, asks: bool):
        self.number, self.send, self.channel, self.route, self.asks = number, send, channel, route, asks
        self.takes = route.alpha + route.beta * send.array.nbytes
        self.recv: Request | None = None
        self.begun: Number = 0
        self.left: Number | None = None
        self.data: np.ndarray | None = None  # once it has left, with nobody to take it yet
        self.flow: Flow | None = None


class Fabric:
    """The messages of all ranks."""

    def __init__(self, kernel: Kernel, network: Network, ranks: list[Rank], recorder: Recorder | None):
        self._kernel, self._network, self._ranks, self._recorder = kernel, network, ranks, recorder
        self.sharing = Sharing(kernel, self._beta_of)
        self.pairs: set[tuple[int, int]] = set()  # ranks (the lower first) with a link of their own: a fault names it
        self.messages = self.nbytes = 0
        self._routes: dict[tuple[int, int], Route] = {}
        self._out: list[deque[Message]] = [deque() for _ in ranks]  # at each port; the first is leaving
        self._in_free: list[Number] = [0] * len(ranks)
        self._sent: dict[Channel, deque[Message]] = {}  # that no receive has been posted for
        self._awaited: dict[Channel, deque[Request]] = {}  # receives that no message was sent for

    def send(self, rank: int, peer: int, context: Any, array: np.ndarray) -> Request:
        """Begin to send; the array must stay as it is until the request is done."""
        request = Request("send", self._ranks[rank], peer, context, array, self._kernel.now)
        channel = (rank, peer, context)
        eager = self._network.eager
        asks = eager is not None and array.nbytes > eager
        message = Message(self.messages, request, channel, self.route(rank, peer), asks)
        self.messages += 1
        self.nbytes += array.nbytes
        if awaited := self._awaited.get(channel):
            message.recv = awaited.popleft()
            if not awaited:
                del self._awaited[channel]
            if asks:
                self._kernel.at(self._kernel.now + self._network.rendezvous, self._enter, message)
        elif asks and self._ranks[peer].crashed is not None:
            self._fail(request)
            return request
        else:
            self._sent.setdefault(channel, deque()).append(message)
        if not asks:
            self._enter(message)
        return request

    def recv(self, rank: int, peer: int, context: Any, array: np.ndarray) -> Request:
        """Begin to receive into an array, which is written before the request is done."""
        request = Request("recv", self._ranks[rank], peer, context, array, self._kernel.now)
        channel = (peer, rank, context)
        if sent := self._sent.get(channel):
            message = sent.popleft()
            if not sent:
                del self._sent[channel]
            message.recv = request
            if message.left is not None:
                self._kernel.at(self._take(message, request), request.finish, request.error)
            elif message.asks:
                self._kernel.at(self._kernel.now + self._network.rendezvous, self._enter, message)
        elif self._ranks[peer].crashed is not None:
            self._fail(request)
        else:
            self._awaited.setdefault(channel, deque()).append(request)
        return request

    def probe(self, rank: int) -> list[tuple[int, Any, int]]:
        """(source, context, bytes) of the messages that this rank could receive now."""
        return [
            (source, context, sent[0].send.array.nbytes)
            for (source, target, context), sent in self._sent.items()
            if target == rank and (sent[0].left is not None or sent[0].asks)
        ]

    def route(self, source: int, target: int) -> Route:
        """With a link of its own where a fault names the pair, and without links that take no time."""
        found = self._routes.get((source, target))
        if found is None:
            found = self._network.route(source, target)
            links = [link for link in found.links if self._network.beta_of(link)]
            if (min(source, target), max(source, target)) in self.pairs:
                links.append(("between", source, target))
            found = self._routes[source, target] = found._replace(links=tuple(links))
        return found

    def crash(self, rank: int) -> None:
        """The rank is gone: nothing of it leaves any more, and who waits for it is told."""
        lost = list(self._out[rank])
        self._out[rank].clear()
        for message in lost:
            if message.flow is not None:
                self.sharing.end(message.flow)
        lost += [m for c, sent in self._sent.items() if c[0] == rank for m in sent if m.asks]
        for message in lost:
            sent = self._sent.get(message.channel)
            if sent is not None and message in sent:
                sent.remove(message)
        waiting = [message.recv for message in lost]
        waiting += [request for channel, posted in self._awaited.items() if channel[0] == rank for request in posted]
        waiting += [m.send for c, sent in self._sent.items() if c[1] == rank for m in sent if m.asks]
        for channel in [channel for channel in self._awaited if channel[0] == rank]:
            del self._awaited[channel]
        for request in waiting:
            if request is not None:
                self._fail(request)

    def _fail(self, request: Request) -> None:
        crashed = self._ranks[request.peer].crashed
        error = RankFailed(request.peer, crashed, f"{request}")
        self._kernel.at(self._kernel.now, request.finish, error)

    def _beta_of(self, link: Link) -> Number:
        if link[0] == "between":
            return self._network.route(*link[1:]).beta  # type: ignore[arg-type]
        return self._network.beta_of(link)

    def _enter(self, message: Message) -> None:
        if self._ranks[message.channel[0]].crashed is not None:
            if message.recv is not None:
                self._fail(message.recv)
            return
        port = self._out[message.channel[0]]
        port.append(message)
        if len(port) == 1:
            self._begin(message)

    def _begin(self, message: Message) -> None:
        kernel = self._kernel
        message.begun = now = kernel.now
        if message.route.links and message.send.array.nbytes:
            kernel.at(now + message.route.alpha, self._flow, message)
        else:
            kernel.at(now + message.takes, self._leave, message, order=message.takes)

    def _flow(self, message: Message) -> None:
        if self._ranks[message.channel[0]].crashed is not None:
            return
        _, beta, links = message.route
        limit = 1 / beta if beta else inf
        message.flow = Flow(message.send.array.nbytes, limit, links, partial(self._leave, message))
        self.sharing.begin(message.flow)

    def _leave(self, message: Message) -> None:
        port = self._out[message.channel[0]]
        if not port or port[0] is not message:
            return  # its rank has crashed meanwhile
        port.popleft()
        if port:
            self._begin(port[0])
        message.left = now = self._kernel.now
        if self._recorder is not None:
            source, target, _ = message.channel
            self._recorder.add(
                "send", source, message.begun, now, target, message.send.array.nbytes, f"message {message.number}"
            )
        recv = message.recv
        if recv is None:
            message.data = message.send.array.copy()
        elif (end := self._take(message, recv)) > now:
            self._kernel.at(end, recv.finish, recv.error)
        else:
            recv.finish(recv.error)
        message.send.finish()

    def _take(self, message: Message, recv: Request) -> Number:
        """The data go over; when the receiver's port is done with them."""
        target = message.channel[1]
        assert message.left is not None
        begun = max(self._in_free[target], recv.posted)
        end = self._in_free[target] = max(begun + message.takes, message.left)
        data = message.send.array if message.data is None else message.data
        if data.nbytes > recv.array.nbytes:
            recv.error = ValueError(f"{recv}: found a message of {data.nbytes:,} bytes: expected at most as many")
        elif data.size == recv.array.size:
            recv.array[...] = data
        else:
            recv.array[: data.size] = data
        if self._recorder is not None:
            self._recorder.add(
                "receive", target, begun, end, message.channel[0], data.nbytes, f"message {message.number}"
            )
        return end
