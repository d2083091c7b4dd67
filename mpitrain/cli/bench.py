"""`mpirun -n 2 python -m mpitrain bench ...`: measurements, each in a file of its own, always of two sides in turns."""

from cyclopts import App

from mpitrain.cli.bench_step import step

bench = App(name="bench", help="Measure on all ranks, each thing in turns with what it is compared to.")
bench.command(step)
