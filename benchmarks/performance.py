"""Measure everything that docs/performance.md tells, and write it there: `make bench`.

    python benchmarks/performance.py [--jobs 3] [--only allreduce small ...]

Every command runs in several jobs, all commands once before any runs again, so that a busy minute does not spoil all
jobs of one. The page is written once all is measured; what a section is made of stands in it as a command.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import cyclopts
import performance_tables as tables

from mpitrain.cli.bench import bench
from mpitrain.launcher import plan, survey

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
RANKS = (2, 4, 8)
COLLECTIVES = ("allreduce", "reduce_scatter", "allgather", "bcast", "reduce")
FEW = "--rounds 9"  # there are several jobs


class Command(NamedTuple):
    ranks: int
    program: str

    def __str__(self) -> str:
        return f"mpirun -n {self.ranks} python {self.program}"


Result = dict[str, Any]
Results = dict[Command, list[Result]]


class Section(NamedTuple):
    """`shown` is the command as the page tells it; `table` turns the results of `commands` into Markdown."""

    shown: str
    commands: Sequence[Command]
    table: Callable[[Results], str]


def measuring(collective: str, options: str = FEW, ranks: int = 2) -> Command:
    return Command(ranks, f"-m mpitrain bench {collective} {options}")


def one_collective(name: str) -> Section:
    by_ranks = {ranks: measuring(name, ranks=ranks) for ranks in RANKS}
    return Section(
        f"mpirun -n N python -m mpitrain bench {name} {FEW}",
        tuple(by_ranks.values()),
        lambda results: tables.collective({n: tables.medians(results[found]) for n, found in by_ranks.items()}),
    )


def small() -> Section:
    options = "--nbytes 8,256,2K --call"
    pairs = {
        name: (measuring(name, f"{options} plan"), measuring(name, f"{options} adhoc")) for name in COLLECTIVES
    }  # fmt: skip
    return Section(
        f"mpirun -n 2 python -m mpitrain bench COLLECTIVE {options} plan|adhoc",
        [command for pair in pairs.values() for command in pair],
        lambda results: tables.small(
            {name: (tables.medians(results[a]), tables.medians(results[b])) for name, (a, b) in pairs.items()}
        ),
    )


def foreign() -> Section:
    options = f"--memory foreign --nbytes 64K,256K,1M,4M,16M,64M {FEW}"
    columns = {name: measuring(name, options) for name in COLLECTIVES}
    columns["allreduce, adhoc"] = measuring("allreduce", f"{options} --call adhoc")
    return Section(
        f"mpirun -n 2 python -m mpitrain bench COLLECTIVE {options}",
        tuple(columns.values()),
        lambda results: tables.ratios({title: tables.medians(results[found]) for title, found in columns.items()}),
    )


def messages() -> Section:
    options = f"--engine mpi --algorithm all --memory foreign --nbytes 1K,64K,1M,4M,16M {FEW}"
    by_ranks = {ranks: measuring("allreduce", options, ranks) for ranks in RANKS}
    return Section(
        f"mpirun -n N python -m mpitrain bench allreduce {options}",
        tuple(by_ranks.values()),
        lambda results: "\n\n".join(
            f"{ranks} ranks, microseconds:\n\n{tables.algorithms(tables.medians(results[command]))}"
            for ranks, command in by_ranks.items()
        ),
    )


def dtypes() -> Section:
    columns = {name: measuring("allreduce", f"{FEW} --dtype {name}") for name in ("float16", "bfloat16", "float32")}
    return Section(
        f"mpirun -n 2 python -m mpitrain bench allreduce {FEW} --dtype {'|'.join(columns)}",
        tuple(columns.values()),
        lambda results: tables.dtypes({name: tables.medians(results[found]) for name, found in columns.items()}),
    )


def tuning() -> Section:
    by_ranks = {ranks: Command(ranks, "benchmarks/tuning_check.py") for ranks in (2, 4)}
    return Section(
        "mpirun -n N python benchmarks/tuning_check.py",
        tuple(by_ranks.values()),
        lambda results: tables.tuning({ranks: results[command] for ranks, command in by_ranks.items()}),
    )


def by_model(program: str, table: Callable[[dict[str, list[Result]]], str]) -> Section:
    commands = {model: Command(2, f"{program} --model {model}") for model in ("mlp", "cnn")}
    return Section(
        f"mpirun -n 2 python {program} --model {'|'.join(commands)}",
        tuple(commands.values()),
        lambda results: table({model: results[command] for model, command in commands.items()}),
    )


def one_core() -> Section:
    commands = {model: Command(1, f"benchmarks/versus_torch.py --model {model}") for model in ("mlp", "cnn", "gpt")}
    return Section(
        f"python benchmarks/versus_torch.py --model {'|'.join(commands)}",
        tuple(commands.values()),
        lambda results: tables.one_core({model: results[command] for model, command in commands.items()}),
    )


def sections() -> dict[str, Section]:
    """All that can be measured here, by name."""
    found = {name: one_collective(name) for name in COLLECTIVES}
    found |= {"small": small(), "foreign": foreign(), "messages": messages(), "dtypes": dtypes()}
    found["tuning"] = tuning()
    if "step" in list(bench):
        found["step"] = by_model("-m mpitrain bench step", tables.steps)
    if (HERE / "versus_ddp.py").exists() and importlib.util.find_spec("torch") is not None:
        found["versus_ddp"] = by_model("benchmarks/versus_ddp.py", tables.versus)
        found["versus_torch"] = one_core()
    return found


def run(command: Command, file: Path) -> Result:
    """One job, and what it wrote. Ends the program, with what the job said, if it fails."""
    program = (sys.executable, *command.program.split(), "--json", str(file))
    launch = plan(os.environ, survey(os.environ), command.ranks, program)
    environment = os.environ | dict(launch.environment)
    job = subprocess.run(launch.command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if job.returncode != 0:
        sys.exit(f"{command} ended with {job.returncode}:\n{job.stdout}{job.stderr}")
    return json.loads(file.read_text())


def measure(commands: Sequence[Command], jobs: int) -> Results:
    results: Results = {command: [] for command in commands}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(1, jobs + 1):
            for command in commands:
                began = time.monotonic()
                results[command].append(run(command, Path(folder) / "result.json"))
                print(f"job {number} of {jobs}, {time.monotonic() - began:5.1f} s: {command}", flush=True)
    return results


def main(
    *, jobs: int = 3, only: Annotated[tuple[str, ...], cyclopts.Parameter(consume_multiple=True, negative="")] = ()
) -> None:
    """Measure, and rewrite docs/performance.md.

    Parameters
    ----------
    jobs
        Jobs of each command.
    only
        Sections to measure; the others, and what is said of the machine, stay as they are. All if left away.
    """
    known = sections()
    if unknown := [name for name in only if name not in known]:
        sys.exit(f"--only {' '.join(unknown)}: expected some of {', '.join(known)}")
    chosen = {name: section for name, section in known.items() if not only or name in only}
    tables.rewritten(PAGE.read_text(), dict.fromkeys(["machine", *chosen], ""))  # fails now, not after all the work
    results = measure(list(dict.fromkeys(c for section in chosen.values() for c in section.commands)), jobs)
    written = {name: f"`{section.shown}`\n\n{section.table(results)}" for name, section in chosen.items()}
    if not only:
        facts = results[measuring("allreduce")][-1]["environment"]
        written["machine"] = tables.machine(facts, time.strftime("%d %B %Y"), jobs)
    PAGE.write_text(tables.rewritten(PAGE.read_text(), written))


if __name__ == "__main__":
    cyclopts.run(main)
