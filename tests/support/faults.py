"""How a fault is put into a schedule's programs, and the table of all kinds of fault."""

from collections import defaultdict, deque

from mpitrain.collectives.schedule import SCRATCH

KINDS = {}


def fault(function):
    """A kind of fault: yields changed copies of a schedule's programs, none where it does not apply."""
    KINDS[function.__name__.replace("_", " ")] = function
    return function


# Changing one thing -------------------------------------------------------------------------------------------------


def changed(programs, rank, number, *steps):
    """The programs with other steps in the place of one."""
    program = programs[rank]
    new = (*program[:number], *steps, *program[number + 1 :])
    return (*programs[:rank], new, *programs[rank + 1 :])


def edited(programs, rank, number, field, at, *messages):
    """The programs with other messages (none, one, several) in the place of one."""
    step = programs[rank][number]
    items = getattr(step, field)
    return changed(programs, rank, number, step._replace(**{field: (*items[:at], *messages, *items[at + 1 :])}))


def places(programs, field):
    """Every send, receive or local action, and where it is."""
    for rank, program in enumerate(programs):
        for number, step in enumerate(program):
            for at, item in enumerate(getattr(step, field)):
                yield (rank, number, field, at), item


def pairs(programs):
    """Every message: where it is sent and where it is received, with both ends."""
    sent = defaultdict(deque)
    for place, send in places(programs, "send"):
        sent[place[0], send.peer].append((place, send))
    for place, receive in places(programs, "recv"):
        yield *sent[receive.peer, place[0]].popleft(), place, receive


def shifted(chunks, by, count):
    """The neighbouring chunks, where there are any."""
    width = chunks.stop - chunks.start
    room = count if chunks.space is not SCRATCH else chunks.stop + 1
    start = (chunks.start + by) % (room - width + 1)
    return chunks._replace(start=start, stop=start + width)
