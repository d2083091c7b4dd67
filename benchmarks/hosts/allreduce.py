"""Allreduce across hosts against the bound that their links set, and against the MPI library's own, in turns.

    python benchmarks/hosts/hosts.py --hosts 4 --rate 100mbit -- benchmarks/hosts/allreduce.py --nbytes 16M

A host must send 2 (h - 1) / h n bytes, h being the number of hosts, whatever the algorithm (Patarasuk and Yuan, 2009):
at its link's rate of B bytes a second this takes 2 (h - 1) / h n / B seconds. The efficiency is that time over the one
measured. The rate is the nominal one and so counts Ethernet's, IP's and TCP's headers, which are bytes on the wire but
none of ours: with an MTU of 1500 at most 95.6 % of it can be had, with 9000 99.3 %. Data that are not much larger than
what a host may send at once after a pause (`hosts.BURST`) may seem to beat that.
"""

import os
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np

import mpitrain
from mpitrain.cli.bench_ways import Memory, Way, check, library_way, our_way
from mpitrain.cli.json_file import write_json
from mpitrain.cli.schedules import nbytes_of
from mpitrain.cli.turns import take_turns
from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.world import World

BITS = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def main(
    *,
    nbytes: str = "16M",
    algorithm: str = "all",
    rounds: int = 5,
    json: Annotated[Path | None, cyclopts.Parameter(negative="")] = None,
) -> None:
    """Measure, and print a line for each algorithm, the quickest first.

    Parameters
    ----------
    nbytes
        Size of the data of each rank, such as 16M.
    algorithm
        Names, such as ring,direct; auto: what is taken if none is named; all: each of the catalogue.
    rounds
        Samples of each, of which the median counts; the time of a sample is that of the slowest rank.
    json
        File for the numbers.
    """
    names = tuple(CATALOGUE["allreduce"]) if algorithm == "all" else tuple(algorithm.split(","))
    with mpitrain.init("mpi") as world:
        count = nbytes_of(nbytes) // 4
        memory = [Memory.of(world, "allreduce", world.empty(count), count) for _ in range(1 + len(names))]
        ways = [
            our_way(world, "allreduce", own, name, "mpi", False) for own, name in zip(memory[1:], names, strict=True)
        ]
        ways.append(library_way(world, "allreduce", memory[0]))
        for way in ways:
            check(world, "allreduce", way, seed=0)
        seconds = np.median(take_turns(world, [way.run for way in ways], rounds), axis=0)
        found = record(world, 4 * count, ways, seconds.tolist())
        if world.rank == 0:
            show(found)
            if json is not None:
                write_json(json, found)


def record(world: World, nbytes: int, ways: list[Way], seconds: list[float]) -> dict:
    hosts, rate = world.size // world.node_size, rate_of(os.environ["HOSTS_RATE"])
    bound = 2 * (hosts - 1) / hosts * nbytes / rate
    rows = [
        {"algorithm": way.algorithm, "seconds": took, "efficiency": bound / took, "ratio": seconds[-1] / took}
        for way, took in zip(ways, seconds, strict=True)
    ]
    rows[-1]["algorithm"] = "the library's Allreduce"
    return {"hosts": hosts, "ranks": world.size, "nbytes": nbytes, "rate": rate, "bound": bound, "rows": rows}


def show(found: dict) -> None:
    print(
        f"allreduce of {found['nbytes']:,} bytes on {found['hosts']} hosts, {found['ranks']} ranks, "
        f"{found['rate'] / 1e6:g} MB/s a link: bound {1e3 * found['bound']:.2f} ms"
    )
    for row in sorted(found["rows"], key=lambda row: row["seconds"]):
        print(
            f"  {row['algorithm']:24} {1e3 * row['seconds']:9.2f} ms {row['efficiency']:7.1%} of the bound, "
            f"library / this {row['ratio']:.3f}",
            flush=True,
        )


def rate_of(text: str) -> float:
    """Bytes a second of a rate as tc writes it."""
    unit = next(unit for unit in BITS if text.endswith(unit))
    return float(text.removesuffix(unit)) * BITS[unit] / 8


if __name__ == "__main__":
    cyclopts.run(main)
