"""Draw a schedule as text: a grid of ranks and rounds.

A cell says what a rank sends and receives in one round:

    5→2     sends chunk 5 to rank 2                  5+←1    adds what rank 1 sent to chunk 5: own + incoming
    5←1     chunk 5 becomes what rank 1 sent         ←1+5    the same from the left: incoming + own
    1/2·5→2 sends a weighted chunk                   5~1/2←1 a mean: 1/2 of own, 1/2 of what came
    a:=b    local copy of b to a                     a+=b    local sum: a + b;  a=+b: b + a
    in.5    chunk 5 of the input                     scratch.5, of the scratch space; bare numbers are the output's
"""

from itertools import groupby

from mpitrain.analysis.rounds import rounds_of_steps
from mpitrain.collectives.algorithm import Schedule
from mpitrain.collectives.schedule import INPUT, LEFT, SCRATCH, Combine, Copy, Move, Reduce, Send, Step

LEGEND = {
    "→": "5→2 sends chunk 5 to rank 2",
    "←": "5←1 chunk 5 becomes what rank 1 sent",
    "+←": "5+←1 is added to, on the right",
    "←+": "←1+5 is added to, on the left",
    "·": "1/2·5→2 sends a weighted chunk",
    "~": "5~1/2←1 becomes a mean with weight 1/2",
    ":=": "a:=b local copy",
    "+=": "a+=b local sum (a=+b: from the left)",
    "in.": "in.5 chunk 5 of the input (bare numbers: of the output)",
    "scratch.": "scratch.5 chunk 5 of the scratch space",
}


def draw(schedule: Schedule) -> str:
    """The grid: a row a round, a column a rank. Ends without a newline."""
    ended = rounds_of_steps(schedule)
    cells: dict[tuple[int, int], list[str]] = {}
    for rank, program in enumerate(schedule.programs):
        for step, round_ in zip(program, ended[rank], strict=True):
            cells.setdefault((round_, rank), []).append(_cell(step))
    rows = sorted({round_ for round_, _ in cells})
    table = [["round", *(f"rank {rank}" for rank in range(schedule.size))]]
    table += [
        [str(row) if row else "start", *("; ".join(cells.get((row, rank), ["."])) for rank in range(schedule.size))]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(schedule.size + 1)]
    grid = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in table]
    chunks = f"{schedule.chunks} chunk{'s' * (schedule.chunks != 1)}"
    return "\n".join([f"{schedule}, {chunks}", *_legend(schedule), "", *grid])


def _cell(step: Step) -> str:
    sends = [
        f"{weight}{chunks}→{','.join(str(send.peer) for send in group)}"
        for (chunks, weight), group in groupby(step.send, lambda send: (str(send.chunks), _weight(send)))
    ]
    return " ".join([*sends, *map(_received, step.recv), *map(_local, step.local)])


def _weight(send: Send) -> str:
    return "" if send.weight is None else f"{send.weight}·"


def _received(receive: Copy | Reduce) -> str:
    if isinstance(receive, Copy):
        return f"{receive.chunks}←{receive.peer}"
    if receive.weight is not None:
        return f"{receive.chunks}~{receive.weight}←{receive.peer}"
    return f"←{receive.peer}+{receive.chunks}" if receive.side is LEFT else f"{receive.chunks}+←{receive.peer}"


def _local(action: Move | Combine) -> str:
    if isinstance(action, Move):
        return f"{action.target}:={action.source}"
    return f"{action.target}{'=+' if action.side is LEFT else '+='}{action.source}"


def _legend(schedule: Schedule) -> list[str]:
    """The signs that this schedule uses."""
    steps = [step for program in schedule.programs for step in program]
    receives = [receive for step in steps for receive in step.recv]
    reduces = [receive for receive in receives if isinstance(receive, Reduce)]
    local = [action for step in steps for action in step.local]
    used = {
        "→": any(step.send for step in steps),
        "←": any(isinstance(receive, Copy) for receive in receives),
        "+←": any(r.side is not LEFT and r.weight is None for r in reduces),
        "←+": any(r.side is LEFT for r in reduces),
        "·": any(send.weight is not None for step in steps for send in step.send),
        "~": any(r.weight is not None for r in reduces),
        ":=": any(isinstance(action, Move) for action in local),
        "+=": any(isinstance(action, Combine) for action in local),
        "in.": any(action.source.space is INPUT for action in local),
        "scratch.": any(SCRATCH in (action.source.space, action.target.space) for action in local),
    }
    return [f"  {LEGEND[sign]}" for sign, is_used in used.items() if is_used]
