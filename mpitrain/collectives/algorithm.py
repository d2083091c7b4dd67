"""Algorithms, and their schedules: an algorithm at one size, which is what is proved, priced, drawn and run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from mpitrain.collectives.schedule import Combine, Copy, Move, Program, Reduce, ScheduleError, Send, Step

Steps = Callable[..., Iterator[Step]]


@dataclass(frozen=True)
class Algorithm:
    """A collective algorithm: called with (rank, size), and `root` if it is rooted, it yields that rank's steps.

    `chunks(size)` is the number of chunks the data are cut into. `in_place`: the input is in the output from the
    start. `ordered`: contributions are combined in rank order, so that operations need not commute. `rooted`: takes
    a `root`. `equal_blocks`: all chunks must be equally long.
    """

    collective: str
    name: str
    steps: Steps
    chunks: Callable[[int], int]
    in_place: bool = True
    ordered: bool = False
    rooted: bool = False
    equal_blocks: bool = False

    def __call__(self, rank: int, size: int, **parameters: int) -> Iterator[Step]:
        return self.steps(rank, size, **parameters)

    def __str__(self) -> str:
        return f"{self.name}.{self.collective}"

    @property
    def description(self) -> str:
        return self.steps.__doc__ or ""

    def schedule(self, size: int, **parameters: int) -> "Schedule":
        """This algorithm at one size: what is proved, priced, drawn, simulated and run."""
        if size < 1:
            raise ScheduleError(f"{self} at size {size}: a world has at least one rank")
        if "root" in parameters and not (self.rooted and 0 <= parameters["root"] < size):
            raise ScheduleError(
                f"{self} at size {size}: root {parameters['root']} is not a rank"
                if self.rooted
                else f"{self} has no root: found root {parameters['root']}"
            )
        return Schedule(self, size, parameters)

    def schedules(self, size: int) -> "list[Schedule]":
        """One size, with every root if there is one."""
        return [self.schedule(size, root=root) for root in range(size)] if self.rooted else [self.schedule(size)]


@dataclass(frozen=True)
class Opaque:
    """An algorithm whose steps are not ours to see, such as the MPI library's own: it runs, and cannot be proved."""

    collective: str
    name: str
    description: str

    def __str__(self) -> str:
        return f"{self.name}.{self.collective}"


@dataclass(frozen=True)
class Schedule:
    """An algorithm at one size, with its parameters (such as root=3)."""

    algorithm: Algorithm
    size: int
    parameters: dict[str, int]

    def __str__(self) -> str:
        parameters = "".join(f", {name}={value}" for name, value in self.parameters.items())
        return f"{self.algorithm}(size={self.size}{parameters})"

    @property
    def root(self) -> int:
        return self.parameters.get("root", 0)

    @cached_property
    def chunks(self) -> int:
        return self.algorithm.chunks(self.size)

    def program(self, rank: int) -> Program:
        """One rank's steps. `ScheduleError` where the algorithm yields something else."""
        steps = self.algorithm(rank, self.size, **self.parameters)
        if not isinstance(steps, Iterable):
            raise ScheduleError(f"{self}", rank=rank, expected="a function that yields steps", found=f"{steps!r}")
        program = tuple(steps)
        for number, step in enumerate(program):
            _check_step(self, rank, number, step)
        return program

    @cached_property
    def programs(self) -> tuple[Program, ...]:
        """Every rank's steps."""
        return tuple(self.program(rank) for rank in range(self.size))


PARTS = {"send": (Send,), "recv": (Copy, Reduce), "local": (Move, Combine)}
"""What each part of a step is a list of."""


def _check_step(schedule: Schedule, rank: int, number: int, step: object) -> None:
    """A slip of the pen is named here, before it confuses a proof."""
    if not isinstance(step, Step):
        raise ScheduleError(f"{schedule}", rank=rank, step=number, expected="a Step", found=f"{step!r}")
    for part, kinds in PARTS.items():
        for item in getattr(step, part):
            if not isinstance(item, kinds):
                names = " and ".join(kind.__name__ for kind in kinds)
                raise ScheduleError(
                    f"{schedule}",
                    rank=rank,
                    step=number,
                    expected=f"{part}=[...], a list of {names}",
                    found=f"{item!r}",
                )


def collective(name: str, chunks: Callable[[int], int], **traits: bool) -> Callable[[Steps], Algorithm]:
    """Make a function of (rank, size) an `Algorithm` for the collective `name`, called after its module."""

    def named(steps: Steps) -> Algorithm:
        module = steps.__module__.rpartition(".")[2]
        return Algorithm(name, steps.__name__ if module == "__main__" else module, steps, chunks, **traits)

    return named


def whole(size: int) -> int:
    """The data are one chunk."""
    return 1


def per_rank(size: int) -> int:
    """The data are cut into one chunk per rank."""
    return size
