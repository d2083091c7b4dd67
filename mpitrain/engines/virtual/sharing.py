"""Max-min fair sharing: what flows get that pass the same links at the same time.

All rates grow alike until a link is full, or a flow is as fast as its ports allow; those flows stay as they are, the
others go on growing. Nobody can have more without taking it from somebody who has no more.

    Bertsekas and Gallager, Data Networks, 1992, section 6.5.2 (progressive filling)
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mpitrain.engines.virtual.kernel import Kernel
from mpitrain.network import Number
from mpitrain.network.topology import Link


def fair_rates(flows: Sequence[tuple[Number, Sequence[Link]]], widths: Mapping[Link, Number]) -> list[Number]:
    """Bytes a second of each flow, given as (the most that it can have, its links); `widths` are those of the links."""
    rates: list[Number] = [0] * len(flows)
    left = dict(widths)
    users: dict[Link, list[int]] = {link: [] for link in widths}
    for number, (_, links) in enumerate(flows):
        for link in links:
            users[link].append(number)
    growing = dict.fromkeys(range(len(flows)))
    sharers = {link: len(numbers) for link, numbers in users.items()}
    while growing:
        shares = [left[link] / count for link, count in sharers.items() if count]
        level = min([*shares, *(flows[number][0] for number in growing)])
        full = [link for link, count in sharers.items() if count and left[link] / count <= level]
        stopped = dict.fromkeys(number for link in full for number in users[link] if number in growing)
        stopped.update(dict.fromkeys(number for number in growing if flows[number][0] <= level))
        for number in stopped:
            del growing[number]
            rates[number] = level
            for link in flows[number][1]:
                left[link] -= level
                sharers[link] -= 1
    return rates


class Flow:
    """Bytes on their way: `left` of them at time `since`, at `rate` bytes a second from then on."""

    __slots__ = ("done", "left", "limit", "links", "rate", "since", "turn")

    def __init__(self, nbytes: int, limit: Number, links: Sequence[Link], done: Callable[[], Any]):
        self.left: Number = nbytes
        self.limit, self.links, self.done = limit, links, done
        self.rate: Number = 0
        self.since: Number = 0
        self.turn = 0  # how often its rate has changed


class Sharing:
    """The flows of a network that pass shared links. Rates are found anew before time moves on, for those that it
    concerns: flows that are joined, over links, to one that began or ended."""

    def __init__(self, kernel: Kernel, beta_of: Callable[[Link], Number]):
        self._kernel, self._beta_of = kernel, beta_of
        self._flows: dict[Link, dict[Flow, None]] = {}
        self._slower: dict[Link, Number] = {}
        self._changed: dict[Link, None] = {}

    def begin(self, flow: Flow) -> None:
        flow.since = self._kernel.now
        for link in flow.links:
            self._flows.setdefault(link, {})[flow] = None
        self._touch(flow.links)

    def end(self, flow: Flow) -> None:
        """It has arrived, or is given up."""
        flow.turn += 1
        for link in flow.links:
            del self._flows[link][flow]
        self._touch(flow.links)

    def slow(self, link: Link, factor: Number) -> None:
        """From now on a link carries so many times fewer bytes: 1 for its own speed, `math.inf` for none."""
        self._slower[link] = factor
        self._touch([link])

    def _touch(self, links: Iterable[Link]) -> None:
        self._changed.update(dict.fromkeys(links))
        self._kernel.settle = self._settle

    def _settle(self) -> None:
        now = self._kernel.now
        flows, links = self._joined()
        widths = {link: 1 / (self._beta_of(link) * self._slower.get(link, 1)) for link in links}
        rates = fair_rates([(flow.limit, flow.links) for flow in flows], widths)
        for flow, rate in zip(flows, rates, strict=True):
            if rate == flow.rate:
                continue
            flow.left -= flow.rate * (now - flow.since)
            flow.rate, flow.since = rate, now
            flow.turn += 1
            if rate:
                self._kernel.at(now + flow.left / rate, self._arrive, flow, flow.turn)

    def _joined(self) -> tuple[list[Flow], list[Link]]:
        """All flows and links that are joined to those that changed."""
        links, flows = self._changed, dict[Flow, None]()
        self._changed = {}
        waiting = list(links)
        while waiting:
            for flow in self._flows.get(waiting.pop(), ()):
                if flow not in flows:
                    flows[flow] = None
                    for link in flow.links:
                        if link not in links:
                            links[link] = None
                            waiting.append(link)
        return list(flows), list(links)

    def _arrive(self, flow: Flow, turn: int) -> None:
        if turn == flow.turn:
            self.end(flow)
            flow.done()
