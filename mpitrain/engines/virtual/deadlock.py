"""A deadlock report: who waits for whom in a circle, and where every rank is."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from mpitrain.engines.virtual.kernel import Task
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.whereabouts import waiting_at
from mpitrain.network import Fault
from mpitrain.rank_names import numbered

SHOWN = 8
"""Of a longer circle only the ends are shown."""


def report(ranks: Sequence[Rank], waiting: dict[int, Task], faults: Sequence[Fault]) -> str:
    """`waiting`: the ranks whose programs have not ended, and the tasks in which they wait."""
    now = ranks[0].kernel.now
    lines = [f"deadlock at {float(now):g} s: nothing will ever move again; {_circle(ranks, waiting)}"]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, task in sorted(waiting.items()):
        groups[_told(ranks[number], task)].append(number)
    lines += [f"  {numbered(found)}: {text}" for text, found in groups.items()]
    ended = [rank.number for rank in ranks if rank.number not in waiting and rank.crashed is None]
    if ended:
        lines.append(f"  {numbered(ended)}: ended")
    lines += [f"  fault in force: {fault}" for fault in faults if fault.holds_at(now)]
    return "\n".join(lines)


def _peers(task: Task) -> list[int]:
    return sorted({request.peer for request in task.requests if not request.done})


def _circle(ranks: Sequence[Rank], waiting: dict[int, Task]) -> str:
    """A circle of ranks each of which waits for the next, or a rank that waits for one that does not wait."""
    for start in sorted(waiting):
        path = [start]
        while path[-1] in waiting and (peers := _peers(waiting[path[-1]])):
            if peers[0] in path:
                circle = path[path.index(peers[0]) :] + peers[:1]
                links = [f"rank {a} waits for rank {b}" for a, b in pairwise(circle)]
                if len(links) > SHOWN:
                    links[SHOWN // 2 : -SHOWN // 2] = [f"... ({len(links)} in a circle) ..."]
                return ", ".join(links)
            path.append(peers[0])
        if len(path) > 1:
            return f"rank {path[-2]} waits for rank {path[-1]}, which {_state(ranks[path[-1]], path[-1] in waiting)}"
    return "no rank waits for a message"


def _state(rank: Rank, waiting: bool) -> str:
    if rank.crashed is not None:
        return "has crashed"
    if rank.stands_still:
        return "stands still"
    return "waits for nobody" if waiting else "has ended"


def _told(rank: Rank, task: Task) -> str:
    if rank.stands_still:
        return "stands still, by a fault"
    found = waiting_at(task.frame)
    what = ", ".join(str(request) for request in task.requests if not request.done) or "something of its own"
    if found is None:
        return f"waits for {what}"
    own = found.call in ("send", "recv", "wait", "flush")  # the caller's message is all there is to say
    return f"waits in {what if own else f'{found.call} for {what}'}, called at {found.site}"
