"""`mpirun -n 2 python -m mpitrain bench ...`: measure on all ranks, in turns with what a user would take instead."""

from cyclopts import App

from mpitrain.cli.bench_collectives import bench_collective
from mpitrain.cli.bench_memory import memory
from mpitrain.cli.bench_step import step

bench = App(name="bench", help="Measure on all ranks: mpirun -n 2 python -m mpitrain bench allreduce")
bench.default(bench_collective)
bench.command(step)
bench.command(memory)
