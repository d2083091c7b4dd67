"""Faults of single messages: at one of their ends, or at both."""

from fractions import Fraction

from faults import edited, fault, pairs, places, shifted

from mpitrain.collectives.schedule import LEFT, RIGHT, Combine, Copy, Reduce

# One end of a message -----------------------------------------------------------------------------------------------


@fault
def sent_to_another_rank(schedule, programs):
    for place, send in places(programs, "send"):
        yield edited(programs, *place, send._replace(peer=(send.peer + 1) % schedule.size))


@fault
def expected_from_another_rank(schedule, programs):
    for place, receive in places(programs, "recv"):
        yield edited(programs, *place, receive._replace(peer=(receive.peer + 1) % schedule.size))


@fault
def send_dropped(schedule, programs):
    for place, _ in places(programs, "send"):
        yield edited(programs, *place)


@fault
def receive_dropped(schedule, programs):
    for place, _ in places(programs, "recv"):
        yield edited(programs, *place)


@fault
def message_sent_twice(schedule, programs):
    for place, send in places(programs, "send"):
        yield edited(programs, *place, send, send)


@fault
def wrong_chunk_sent(schedule, programs):
    for place, send in places(programs, "send"):
        yield edited(programs, *place, send._replace(chunks=shifted(send.chunks, 1, schedule.chunks)))


@fault
def wrong_chunk_received(schedule, programs):
    for place, receive in places(programs, "recv"):
        yield edited(programs, *place, receive._replace(chunks=shifted(receive.chunks, 1, schedule.chunks)))


@fault
def one_chunk_too_few_sent(schedule, programs):
    for place, send in places(programs, "send"):
        if send.chunks.stop - send.chunks.start > 1:
            yield edited(programs, *place, send._replace(chunks=send.chunks._replace(stop=send.chunks.stop - 1)))


@fault
def one_chunk_too_many_sent(schedule, programs):
    for place, send in places(programs, "send"):
        yield edited(programs, *place, send._replace(chunks=send.chunks._replace(stop=send.chunks.stop + 1)))


@fault
def copied_instead_of_reduced(schedule, programs):
    for place, receive in places(programs, "recv"):
        if isinstance(receive, Reduce):
            yield edited(programs, *place, Copy(receive.peer, receive.chunks))


@fault
def reduced_instead_of_copied(schedule, programs):
    for place, receive in places(programs, "recv"):
        if isinstance(receive, Copy):
            yield edited(programs, *place, Reduce(receive.peer, receive.chunks))


@fault
def wrong_side(schedule, programs):
    for place, receive in places(programs, "recv"):
        if isinstance(receive, Reduce):
            yield edited(programs, *place, receive._replace(side=RIGHT if receive.side is LEFT else LEFT))
    for place, action in places(programs, "local"):
        if isinstance(action, Combine):
            yield edited(programs, *place, action._replace(side=RIGHT if action.side is LEFT else LEFT))


@fault
def wrong_weight(schedule, programs):
    for place, receive in places(programs, "recv"):
        if isinstance(receive, Reduce):
            yield edited(programs, *place, receive._replace(weight=Fraction(1, 3)))


@fault
def weight_forgotten(schedule, programs):
    for place, receive in places(programs, "recv"):
        if isinstance(receive, Reduce) and receive.weight is not None:
            yield edited(programs, *place, receive._replace(weight=None))


@fault
def weighted_twice(schedule, programs):
    for place, send in places(programs, "send"):
        yield edited(programs, *place, send._replace(weight=Fraction(1, 2)))


# Both ends of a message: the ranks agree on what is wrong -----------------------------------------------------------


@fault
def message_dropped_at_both_ends(schedule, programs):
    for there, _, here, _ in pairs(programs):
        yield edited(edited(programs, *there), *here)


@fault
def contribution_doubled(schedule, programs):
    for there, send, here, receive in pairs(programs):
        if isinstance(receive, Reduce):
            yield edited(edited(programs, *there, send, send), *here, receive, receive)


@fault
def message_doubled_at_both_ends(schedule, programs):
    for there, send, here, receive in pairs(programs):
        yield edited(edited(programs, *there, send, send), *here, receive, receive)


@fault
def wrong_chunk_at_both_ends(schedule, programs):
    for there, send, here, receive in pairs(programs):
        one = edited(programs, *there, send._replace(chunks=shifted(send.chunks, 1, schedule.chunks)))
        yield edited(one, *here, receive._replace(chunks=shifted(receive.chunks, 1, schedule.chunks)))


@fault
def one_chunk_too_few_at_both_ends(schedule, programs):
    for there, send, here, receive in pairs(programs):
        if send.chunks.stop - send.chunks.start > 1:
            one = edited(programs, *there, send._replace(chunks=send.chunks._replace(stop=send.chunks.stop - 1)))
            yield edited(one, *here, receive._replace(chunks=receive.chunks._replace(stop=receive.chunks.stop - 1)))


@fault
def one_chunk_too_many_at_both_ends(schedule, programs):
    for there, send, here, receive in pairs(programs):
        if max(send.chunks.stop, receive.chunks.stop) < schedule.chunks:
            one = edited(programs, *there, send._replace(chunks=send.chunks._replace(stop=send.chunks.stop + 1)))
            yield edited(one, *here, receive._replace(chunks=receive.chunks._replace(stop=receive.chunks.stop + 1)))
