"""Faults put into the catalogue's programs by machine: the proof or the card catches every one.

A mutant that neither catches must be harmless, and that is decided from outside: the interpreter of `conftest` runs it
on numbers, on strings (where order counts), on depths of rounding, and on floats (where ranks must round alike), and it
must end, give the right result, and take exactly the rounds, bytes and roundings of the original. A dead value sent
the other way is an example; so is another side where the order is free.

Every kind and its count: python -m pytest -rP tests/analysis/test_mutations.py
"""

import random
from collections import Counter, defaultdict, deque
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from mpitrain.analysis import card
from mpitrain.analysis.prove import prove
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.collectives.folding import core_size
from mpitrain.collectives.schedule import LEFT, RIGHT, SCRATCH, Combine, Copy, Move, Reduce, ScheduleError, Step

ALGORITHMS = [algorithm for family in CATALOGUE.values() for algorithm in family.values()]
SIZES = (2, 3, 4, 5, 8, 9)
PER_SCHEDULE = 4  # mutants of one kind of one schedule: a sample, drawn by a seed

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


# The verdicts -------------------------------------------------------------------------------------------------------


def mutant(schedule, programs):
    """The same algorithm in name, card and claims, with other programs."""

    def steps(rank, size, **parameters):
        return iter(programs[rank])

    steps.__doc__ = schedule.algorithm.description
    return replace(schedule.algorithm, steps=steps).schedule(schedule.size, **schedule.parameters)


def is_caught(schedule):
    try:
        card.check(schedule, prove(schedule))
    except ScheduleError:
        return True
    return False


def add(own, incoming, side, weight):
    if weight is not None:
        return (1 - weight) * own + weight * incoming
    return incoming + own if side is LEFT else own + incoming


def deeper(own, incoming, side, weight):
    return np.maximum(own, incoming) + 1


@pytest.fixture(scope="module")
def is_harmless(by_definition, promised):
    """Whether a mutant is as good as the original, by what it does to data."""

    def ends(schedule, inputs, lengths, combine):
        run = by_definition(schedule, inputs, lengths, combine)
        cuts = np.cumsum([0, *lengths])
        kept = [
            list(output[cuts[chunk] : cuts[chunk + 1]]) if promised(schedule, rank, chunk) else None
            for rank, output in enumerate(run.outputs)
            for chunk in range(len(lengths))
        ]
        return kept, run.rounds, max(run.sent)

    def is_harmless(wrong, original):
        algorithm, chunks, ranks = original.algorithm, original.chunks, range(original.size)
        lengths = [2] * chunks if algorithm.equal_blocks else [chunk + 1 for chunk in range(chunks)]
        count, chance = sum(lengths), np.random.default_rng(5)
        numbers = [np.array([Fraction(int(n)) for n in chance.integers(1, 1 << 40, count)], object) for _ in ranks]
        strings = [np.array([f"{rank}:{at} " for at in range(count)], object) for rank in ranks]
        depths = [np.zeros(count, int) for _ in ranks]
        floats = [chance.standard_normal(count).astype(np.float32) for _ in ranks]
        trials = [(numbers, add), (depths, deeper)]
        if algorithm.ordered:
            trials.append((strings, add))
        if "alike      yes" in algorithm.description:
            trials.append((floats, add))
        try:
            for inputs, combine in trials:
                found, expected = (ends(schedule, inputs, lengths, combine) for schedule in (wrong, original))
                if inputs is floats:
                    found, expected = (is_alike(result[0], chunks) for result in (found, expected))
                elif inputs is depths:
                    found, expected = (
                        (max((max(part) for part in result[0] if part), default=0), *result[1:])
                        for result in (found, expected)
                    )
                elif algorithm.collective == "gossip":
                    found, expected = ((sum(sum(part) for part in r[0]), *r[1:]) for r in (found, expected))
                if found != expected:
                    return False
        except (by_definition.Stuck, IndexError, ValueError, TypeError, KeyError):
            return False
        return True

    return is_harmless


def is_alike(kept, chunks):
    """Whether all ranks that hold a chunk hold the same bits."""
    return [len({np.array(part).tobytes() for part in kept[chunk::chunks] if part}) <= 1 for chunk in range(chunks)]


def mutants(kind, schedule):
    """A few mutants of this kind, always the same ones. What the change left as it was is none."""
    found = [programs for programs in KINDS[kind](schedule, schedule.programs) if programs != schedule.programs]
    chosen = random.Random(f"{kind} {schedule}").sample(found, min(PER_SCHEDULE, len(found)))
    return [mutant(schedule, programs) for programs in chosen]


@pytest.mark.parametrize("kind", KINDS)
def test_caught(kind, is_harmless, record_property):
    verdicts = Counter()
    for algorithm in ALGORITHMS:
        for size in SIZES:
            for schedule in algorithm.schedules(size)[: size : max(1, size // 2)]:
                for wrong in mutants(kind, schedule):
                    caught = is_caught(wrong)
                    verdicts["caught" if caught else "harmless"] += 1
                    assert caught or is_harmless(wrong, schedule), f"{kind} in {schedule}: {wrong.programs}"
    record_property("verdicts", dict(verdicts))
    assert verdicts["caught"] > 0
    print(f"{kind:40} {verdicts['caught']:5} caught {verdicts['harmless']:5} harmless")


def test_there_are_enough_kinds():
    assert len(KINDS) >= 20


def test_the_original_is_neither_caught_nor_harmful(is_harmless):
    """Else every mutant would be."""
    for algorithm in ALGORITHMS:
        for size in SIZES:
            schedule = algorithm.schedule(size)
            same = mutant(schedule, schedule.programs)
            assert not is_caught(same)
            assert is_harmless(same, schedule)
