"""Algorithms, and their schedules: an algorithm at one size, which is what is proved, priced, drawn and run."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from mpitrain.collectives.kinds import KINDS, Kind
from mpitrain.collectives.schedule import Combine, Copy, Move, Program, Reduce, ScheduleError, Send, Step

Steps = Callable[..., Iterator[Step]]

Value = int | str | tuple[int, ...]
"""What a parameter may be: a number, a name, or a list of numbers."""


@dataclass(frozen=True)
class Algorithm:
    """A collective algorithm: called with (rank, size) and its parameters, it yields that rank's steps.

    `chunks(size, **parameters)` is the number of chunks the data are cut into. `keeps_order`: contributions are
    combined in rank order; a function of the algorithm where its parameters decide. `equal_blocks`: all chunks must be
    equally long. `parameters` are its own parameters and their values, besides the `root` that rooted collectives have;
    `given` are those of them that somebody asked for, and which no engine changes.
    """

    collective: str
    name: str
    steps: Steps
    chunks: Callable[..., int]
    keeps_order: bool | Callable[["Algorithm"], bool] = False
    equal_blocks: bool = False
    parameters: tuple[tuple[str, Value], ...] = ()
    given: frozenset[str] = frozenset()

    def __call__(self, rank: int, size: int, **parameters: Value) -> Iterator[Step]:
        return self.steps(rank, size, **parameters)

    def __str__(self) -> str:
        return f"{self.name}.{self.collective}"

    @property
    def kind(self) -> Kind:
        return KINDS[self.collective]

    @property
    def rooted(self) -> bool:
        return self.kind.rooted

    @property
    def ordered(self) -> bool:
        """Whether contributions are combined in rank order, so that operations need not commute."""
        return self.keeps_order(self) if callable(self.keeps_order) else self.keeps_order

    @property
    def description(self) -> str:
        return self.steps.__doc__ or ""

    def with_given(self, **given: Value) -> "Algorithm":
        """The same algorithm with these parameters, which its name then shows; `ScheduleError` for one it has not."""
        changed = self._with(given)
        names = self.given.union(given)
        shown = ", ".join(f"{name}={spell(value)}" for name, value in changed.parameters if name in names)
        return replace(changed, given=names, name=f"{self.name.partition('(')[0]}({shown})" if names else self.name)

    def fitted(self, **values: Value) -> "Algorithm":
        """With those of these parameters that it has and nobody has asked for otherwise."""
        mine = {name for name, _ in self.parameters} - self.given
        fitting = {name: value for name, value in values.items() if name in mine}
        return self._with(fitting) if fitting else self

    def _with(self, values: Mapping[str, Value]) -> "Algorithm":
        parameters = dict(self.parameters)
        for name, value in values.items():
            if name not in parameters:
                has = f"has {', '.join(parameters)}" if parameters else "has no parameters"
                raise ScheduleError(f"{self} {has}: found {name}={spell(value)}")
            default = parameters[name]
            numbers = isinstance(default, tuple)
            if not (isinstance(value, int | tuple) if numbers else type(value) is type(default)):
                wanted = "a number, or several such as 3+3+2" if numbers else f"such as {spell(default)}"
                raise ScheduleError(f"{self}: {name}={spell(value)}: expected {wanted}")
            parameters[name] = value
        return replace(self, parameters=tuple(parameters.items()))

    def schedule(self, size: int, **parameters: Value) -> "Schedule":
        """This algorithm at one size: what is proved, priced, drawn, simulated and run. `root` is 0 if not given."""
        if size < 1:
            raise ScheduleError(f"{self} at size {size}: a world has at least one rank")
        root = parameters.pop("root", None)
        if root is not None and not (self.rooted and isinstance(root, int) and 0 <= root < size):
            raise ScheduleError(
                f"{self} at size {size}: root {root} is not a rank"
                if self.rooted
                else f"{self} has no root: found root {root}"
            )
        algorithm = self._with(parameters) if parameters else self
        own = dict(algorithm.parameters)
        return Schedule(algorithm, size, own if root is None else own | {"root": root})

    def schedules(self, size: int) -> "list[Schedule]":
        """One size, with every root if there is one."""
        return [self.schedule(size, root=root) for root in range(size)] if self.rooted else [self.schedule(size)]


def spell(value: Value) -> str:
    """A parameter's value as one writes it: 4, ring, or 3+3+2; no numbers at all leave it to the algorithm."""
    return ("+".join(map(str, value)) or "any") if isinstance(value, tuple) else str(value)


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
    parameters: dict[str, Value]

    def __str__(self) -> str:
        parameters = "".join(f", {name}={spell(value)}" for name, value in self.parameters.items())
        return f"{self.algorithm.name.partition('(')[0]}.{self.algorithm.collective}(size={self.size}{parameters})"

    @property
    def root(self) -> int:
        root = self.parameters.get("root", 0)
        assert isinstance(root, int)
        return root

    @cached_property
    def chunks(self) -> int:
        return self.algorithm.chunks(
            self.size, **{name: self.parameters[name] for name, _ in self.algorithm.parameters}
        )

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


def collective(
    name: str,
    chunks: Callable[..., int],
    *,
    ordered: bool | Callable[[Algorithm], bool] = False,
    equal_blocks: bool = False,
    **parameters: Value,
) -> Callable[[Steps], Algorithm]:
    """Make a function of (rank, size) an `Algorithm` for the collective `name`, called after its module.

    `parameters` are those of its own, with their defaults; the function and `chunks` take them by name.
    """
    if name not in KINDS:
        raise ScheduleError(f"no collective {name!r}: expected one of {', '.join(KINDS)}")

    def named(steps: Steps) -> Algorithm:
        module = steps.__module__.rpartition(".")[2]
        called = steps.__name__ if module == "__main__" else module
        return Algorithm(name, called, steps, chunks, ordered, equal_blocks, tuple(parameters.items()))

    return named


def whole(size: int, **parameters: Value) -> int:
    """The data are one chunk."""
    return 1


def per_rank(size: int, **parameters: Value) -> int:
    """The data are cut into one chunk per rank."""
    return size


def per_segment(size: int, *, segments: int, **parameters: Value) -> int:
    """The data are cut into `segments` chunks, which follow each other through the ranks."""
    if segments < 1:
        raise ScheduleError(f"segments={segments}: expected 1 or more")
    return segments
