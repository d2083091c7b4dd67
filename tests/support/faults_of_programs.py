"""Faults of steps, local actions, ranks and sizes."""

from itertools import pairwise

from faults import changed, edited, fault, places, shifted

from mpitrain.collectives.folding import core_size
from mpitrain.collectives.schedule import SCRATCH, Combine, Move, Step

# Order --------------------------------------------------------------------------------------------------------------


@fault
def send_before_receive(schedule, programs):
    """Every exchange becomes a send and then a receive: well until a send waits for its receive."""
    split = tuple(
        tuple(
            part
            for step in program
            for part in (
                (step._replace(recv=(), local=()), step._replace(send=())) if step.send and step.recv else (step,)
            )
        )
        for program in programs
    )
    if split != programs:
        yield split


@fault
def steps_exchanged_on_one_rank(schedule, programs):
    for rank, program in enumerate(programs):
        for number in range(len(program) - 1):
            yield changed(changed(programs, rank, number, program[number + 1]), rank, number + 1, program[number])


@fault
def steps_exchanged_on_all_ranks(schedule, programs):
    for number in range(max(map(len, programs)) - 1):
        yield tuple(
            (*p[:number], p[number + 1], p[number], *p[number + 2 :]) if number + 1 < len(p) else p for p in programs
        )


@fault
def messages_of_a_pair_exchanged(schedule, programs):
    """Two messages to the same peer leave in the other order."""
    before = {}
    for place, send in places(programs, "send"):
        if (earlier := before.get((place[0], send.peer))) is not None and earlier[1].chunks != send.chunks:
            yield edited(edited(programs, *place, earlier[1]), *earlier[0], send)
        before[place[0], send.peer] = place, send


@fault
def receives_combined_in_another_order(schedule, programs):
    for rank, program in enumerate(programs):
        for number, step in enumerate(program):
            if len(step.recv) > 1:
                yield changed(programs, rank, number, step._replace(recv=step.recv[::-1]))


@fault
def scratch_read_too_early(schedule, programs):
    """What a step does to scratch is done one step later."""
    for rank, program in enumerate(programs):
        for number, (step, following) in enumerate(pairwise(program)):
            late = tuple(action for action in step.local if action.target.space is SCRATCH)
            if late:
                early = step._replace(local=tuple(action for action in step.local if action not in late))
                one = changed(programs, rank, number, early)
                yield changed(one, rank, number + 1, following._replace(local=late + following.local))


# Too much, too little -----------------------------------------------------------------------------------------------


@fault
def step_dropped_on_one_rank(schedule, programs):
    for rank, program in enumerate(programs):
        for number in range(len(program)):
            yield changed(programs, rank, number)


@fault
def step_dropped_on_all_ranks(schedule, programs):
    for number in range(max(map(len, programs))):
        yield tuple((*program[:number], *program[number + 1 :]) for program in programs)


@fault
def last_step_done_again(schedule, programs):
    yield tuple((*program, *program[-1:]) for program in programs)


@fault
def off_by_one_in_the_last_step(schedule, programs):
    """Every rank's last step takes the chunk next to the right one."""

    def off(message):
        return message._replace(chunks=shifted(message.chunks, -1, schedule.chunks))

    yield tuple(
        (*program[:-1], step._replace(send=tuple(map(off, step.send)), recv=tuple(map(off, step.recv))))
        for program in programs
        for step in program[-1:] or (Step(),)
    )


@fault
def local_action_left_out(schedule, programs):
    for place, _ in places(programs, "local"):
        yield edited(programs, *place)


@fault
def local_sum_instead_of_copy(schedule, programs):
    for place, action in places(programs, "local"):
        if isinstance(action, Move):
            yield edited(programs, *place, Combine(action.source, action.target))


@fault
def local_copy_instead_of_sum(schedule, programs):
    for place, action in places(programs, "local"):
        if isinstance(action, Combine):
            yield edited(programs, *place, Move(action.source, action.target))


@fault
def wrong_local_target(schedule, programs):
    for place, action in places(programs, "local"):
        yield edited(programs, *place, action._replace(target=shifted(action.target, 1, schedule.chunks)))


# Who is who ---------------------------------------------------------------------------------------------------------


@fault
def a_rank_with_another_root(schedule, programs):
    if schedule.algorithm.rooted:
        other = schedule.algorithm.schedule(schedule.size, root=(schedule.root + 1) % schedule.size)
        for rank in range(schedule.size):
            yield (*programs[:rank], other.program(rank), *programs[rank + 1 :])


@fault
def all_ranks_with_another_root(schedule, programs):
    if schedule.algorithm.rooted:
        yield schedule.algorithm.schedule(schedule.size, root=(schedule.root + 1) % schedule.size).programs


@fault
def two_ranks_exchanged(schedule, programs):
    for rank in range(schedule.size - 1):
        yield (*programs[:rank], programs[rank + 1], programs[rank], *programs[rank + 2 :])


@fault
def a_rank_that_believes_in_one_more(schedule, programs):
    for rank in range(schedule.size):
        yield (*programs[:rank], schedule.algorithm.schedule(schedule.size + 1).program(rank), *programs[rank + 1 :])


@fault
def a_rank_left_out(schedule, programs):
    for rank in range(schedule.size):
        yield (*programs[:rank], (), *programs[rank + 1 :])


@fault
def peers_shifted_for_the_last_rank_only(schedule, programs):
    yield (
        *programs[:-1],
        tuple(
            step._replace(
                send=tuple(send._replace(peer=(send.peer + 1) % schedule.size) for send in step.send),
                recv=tuple(receive._replace(peer=(receive.peer + 1) % schedule.size) for receive in step.recv),
            )
            for step in programs[-1]
        ),
    )


@fault
def wrong_direction_at_odd_sizes_only(schedule, programs):
    if schedule.size % 2:
        yield tuple(
            tuple(
                step._replace(send=tuple(s._replace(peer=(2 * rank - s.peer) % schedule.size) for s in step.send))
                for step in program
            )
            for rank, program in enumerate(programs)
        )


@fault
def nobody_beyond_a_power_of_two(schedule, programs):
    core = core_size(schedule.size)
    if core < schedule.size:
        smaller = schedule.algorithm.schedule(core, **schedule.parameters | ({"root": 0} if schedule.root else {}))
        yield (*smaller.programs, *((),) * (schedule.size - core))
