"""One rank of the check of collectives: mpirun -n N python ranks.py DEVICE. Rank 0 prints rows as they come.

Every collective, by NCCL's own and by all of ours over NCCL; then by what `auto` takes over the other transports, if
they are possible. Whole numbers so small that every sum is exact in every type, in any order.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

import clone

clone.use()

import numpy as np  # noqa: E402
from parity import dtype_of  # noqa: E402
from row import FAILED, OK, SKIPPED, Row  # noqa: E402

import mpitrain  # noqa: E402
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY  # noqa: E402
from mpitrain.collectives.kinds import KINDS  # noqa: E402
from mpitrain.device import Device, find  # noqa: E402
from mpitrain.engines.device import DeviceWorld  # noqa: E402
from mpitrain.engines.nccl_calls import OWN  # noqa: E402
from mpitrain.engines.transport import reach_devices  # noqa: E402
from mpitrain.errors import UsageError  # noqa: E402

BLOCKS = (251, 1 << 16)
"""Numbers that each rank's block has. Few, since ranks that share a GPU take 10 ms and more for each step."""


class Call(NamedTuple):
    """What this rank gives, how much room it needs for the result, if any, and what that must be, if anything."""

    given: np.ndarray | None
    room: int | None
    wanted: np.ndarray | None


Case = Callable[[np.ndarray, int], Call]
"""From all ranks' data, (ranks, ranks * block), and this rank. The root is the last."""


def _block(data: np.ndarray, rank: int) -> slice:
    length = data.shape[1] // len(data)
    return slice(rank * length, (rank + 1) * length)


def _only(data: np.ndarray, rank: int) -> np.ndarray:
    """This rank's block of rank 0's data, among others' of -99."""
    given = np.full_like(data[0], -99)
    given[_block(data, rank)] = data[0, _block(data, rank)]
    return given


CASES: dict[str, Case] = {
    "allreduce": lambda data, rank: Call(data[rank], None, data.sum(0)),
    "reduce_scatter": lambda data, rank: Call(data[rank], None, data.sum(0)[_block(data, rank)]),
    "allgather": lambda data, rank: Call(_only(data, rank), None, data[0]),
    "bcast": lambda data, rank: Call(data[rank], None, data[-1]),
    "reduce": lambda data, rank: Call(data[rank], None, data.sum(0) if rank == len(data) - 1 else None),
    "gather": lambda data, rank: Call(data[0, _block(data, rank)], None, data[0] if rank == len(data) - 1 else None),
    "scatter": lambda data, rank: Call(
        data[-1] if rank == len(data) - 1 else None, data.shape[1] // len(data), data[-1, _block(data, rank)]
    ),
    "alltoall": lambda data, rank: Call(data[rank], None, data[:, _block(data, rank)].reshape(-1)),
    "scan": lambda data, rank: Call(data[rank], None, data[: rank + 1].sum(0)),
    "exscan": lambda data, rank: Call(data[rank], None, data[:rank].sum(0) if rank else None),
}


def ways(transport: str) -> dict[str, list[tuple[str, str]]]:
    """What is tried, by the words of its row: collectives and algorithms."""
    if transport != "nccl":
        return {"all collectives by auto": [(collective, "auto") for collective in CASES]}
    tried = {}
    for collective in CASES:
        ours, own = [(collective, name) for name in CATALOGUE[collective]], [(collective, LIBRARY)]
        if collective in OWN:
            tried[f"{collective} by NCCL's own and {len(ours)} of ours"] = own + ours
        else:
            tried[f"{collective} by {len(ours)} of ours"] = ours
    return tried


def main(name: str) -> None:
    host = mpitrain.init()
    device = find(name, host.node_rank)
    for transport in ("nccl", "staged", "cuda_aware"):
        try:
            world = reach_devices(host, device, transport)
        except UsageError as error:
            if host.rank == 0:
                print(Row(transport, f"ranks: {host.size}", str(error), SKIPPED).line(), flush=True)
            continue
        for what, tried in ways(transport).items():
            wrong = [" by ".join(way) for way in tried if not all_right(world, device, *way)]
            if host.rank == 0:
                result = f"wrong: {', '.join(wrong)}" if wrong else "right on all ranks"
                row = Row(transport, f"ranks: {host.size}, {what}", result, FAILED if wrong else OK)
                print(row.line(), flush=True)
        world.close()
    host.close()


def all_right(world: DeviceWorld, device: Device, collective: str, algorithm: str) -> bool:
    """Whether all ranks got what they should, of every type and length. Collective."""
    kinds = ("float32", "float16", "bfloat16") if collective == "allreduce" else ("float32",)
    found = [right(world, device, collective, algorithm, block, kind) for block in BLOCKS for kind in kinds]
    return all(found)


def right(world: DeviceWorld, device: Device, collective: str, algorithm: str, block: int, dtype: str) -> bool:
    """Whether all ranks got what they should. Collective."""
    kind = dtype_of(dtype)
    if kind is None:
        return True
    data = np.random.default_rng(block).integers(-8, 9, (world.size, world.size * block)).astype(kind)
    given, room, wanted = CASES[collective](data, world.rank)
    named = {"root": world.size - 1} if KINDS[collective].rooted else {}
    received = {} if room is None else {"received": device.array(np.zeros(room, kind))}
    buffer = None if given is None else device.array(np.ascontiguousarray(given))
    found = getattr(world, collective)(buffer, algorithm=algorithm, **received, **named)
    wrong = wanted is not None and not np.array_equal(device.host(found).astype(np.float64), wanted.astype(np.float64))
    return bool(world.allreduce(np.array([float(wrong)]))[0] == 0)


if __name__ == "__main__":
    main(sys.argv[1])
