"""A deadlock report: who waits for whom in a circle, and where every rank is."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from mpitrain.engines.virtual.kernel import Task
from mpitrain.engines.virtual.rank import Rank
from mpitrain.engines.whereabouts import waiting_at
from mpitrain.rank_names import numbered


def report(ranks: Sequence[Rank], waiting: dict[int, Task]) -> str:
    """`waiting`: the ranks whose programs have not ended, and the tasks in which they wait."""
    peers = {number: _peers(task) for number, task in waiting.items()}
    lines = [f"deadlock at {float(ranks[0].kernel.now):g} s: nothing will ever move again; {_circle(peers)}"]
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for number, task in sorted(waiting.items()):
        groups[_told(ranks[number], task)].append(number)
    lines += [f"  {numbered(found)}: {text}" for text, found in groups.items()]
    ended = [rank.number for rank in ranks if rank.number not in waiting and rank.crashed is None]
    if ended:
        lines.append(f"  {numbered(ended)}: ended")
    lines += [
        f"  rank {rank.number}: crashed at {float(rank.crashed):g} s" for rank in ranks if rank.crashed is not None
    ]
    return "\n".join(lines)


def _peers(task: Task) -> list[int]:
    return sorted({request.peer for request in task.requests if not request.done})


def _circle(peers: dict[int, list[int]]) -> str:
    """A circle of ranks each of which waits for the next, or a rank that waits for one that does not wait."""
    for start in sorted(peers):
        path = [start]
        while (following := next((p for p in peers.get(path[-1], ())), None)) is not None:
            if following in path:
                circle = path[path.index(following) :] + [following]
                return ", ".join(f"rank {a} waits for rank {b}" for a, b in pairwise(circle))
            path.append(following)
        if len(path) > 1:
            return f"rank {path[-2]} waits for rank {path[-1]}, which has ended or stands still"
    return "no rank waits for a message"


def _told(rank: Rank, task: Task) -> str:
    if rank.stands_still:
        return "stands still, by a fault"
    found = waiting_at(task.frame)
    what = ", ".join(str(request) for request in task.requests if not request.done)
    if found is None:
        return f"waits for {what or 'something of its own'}"
    return f"waits in {found.call} for {what or 'something of its own'}, called at {found.site}"
