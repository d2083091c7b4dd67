"""How data on devices reach other ranks: chosen once, alike on all ranks, with the reason.

    device      one rank: nothing travels
    nccl        NCCL, between the devices
    cuda_aware  messages of an MPI library that takes addresses of devices
    staged      through pinned memory of the host, where any MPI library will do

`auto` takes the first that is possible. MPITRAIN_TRANSPORT insists on one of them.
"""

import os
import platform
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from mpitrain.device import Device, check_sharing
from mpitrain.engines import cuda_probe, one_gpu
from mpitrain.engines.device import DeviceWorld, ForDevices
from mpitrain.engines.nccl import NCCL, NcclWorld, bindings
from mpitrain.engines.pinned_world import PIECE, STAGED, PinnedWorld
from mpitrain.engines.stream_world import DEVICE, StreamWorld
from mpitrain.errors import UsageError
from mpitrain.world import World

CUDA_AWARE = "cuda_aware"

TRANSPORTS = (DEVICE, NCCL, CUDA_AWARE, STAGED)
"""The best first."""

TEXT = 256
"""Bytes of what ranks tell each other."""


def reach_devices(host: World, device: Device, transport: str = "auto", piece_bytes: int = PIECE) -> DeviceWorld:
    """A world for arrays of the ranks' devices, and for those of the host. Collective; every rank has one `device`.

    `piece_bytes` are those of a piece that goes through the host. `UsageError`, alike on all ranks, for two ranks on
    one GPU (`check_sharing`), and if the transport that was asked for is not possible.
    """
    if device.on_host:
        raise ValueError(f"device {device.name}: its arrays are the host's, whose world needs no transport")
    asked = _texts(host, os.environ.get("MPITRAIN_TRANSPORT") or transport)[0]  # rank 0's, if launchers lose variables
    if asked not in ("auto", *TRANSPORTS):
        raise UsageError(f"transport {asked}: expected auto, {', '.join(TRANSPORTS)}", agreed=True)
    if device.name == "cuda":
        _allow_sharing(host, device)
    name, why = _chosen(host, device, asked)
    return DeviceWorld(host, device.xp, partial(_made, name, device.xp, piece_bytes), why)


def obstacle(name: str, host: World, device: Device) -> str | None:
    """Why this rank cannot take that transport; None if it can."""
    if name == DEVICE:
        return None if host.size == 1 else f"there are {host.size} ranks"
    if name == NCCL and device.name == "cuda":
        try:
            bindings()
        except (ImportError, RuntimeError) as error:
            return f"CuPy finds no NCCL: {error}"
    if name == CUDA_AWARE:
        if host.engine == "solo":
            return "no MPI was started"
        if device.name == "cuda" and host.node_rank == 0:  # of a node one asks for all
            return cuda_probe.obstacle()
    return None


def _chosen(host: World, device: Device, asked: str) -> tuple[str, str]:
    """The transport, and why. Collective."""
    passed = []
    for name in TRANSPORTS if asked == "auto" else (asked,):
        found = next(filter(None, _texts(host, obstacle(name, host, device) or "")), None)
        if found is None:
            break
        passed.append((name, found))
    else:
        raise UsageError(f"transport {asked}: {found}", agreed=True)
    if asked != "auto":
        return name, "as asked for"
    missed = "; ".join(f"no {other}: {obstacle}" for other, obstacle in passed if other != DEVICE)
    return name, missed or ("NCCL is there" if name == NCCL else "one rank: nothing travels")


def _made(name: str, xp: ModuleType, piece_bytes: int, own: World) -> ForDevices:
    """`own` becomes its."""
    if name == NCCL:
        return NcclWorld(own, xp, _nccl(own, xp))
    if name == CUDA_AWARE:
        from mpitrain.engines.cuda_aware import AwareWorld  # here, since it starts MPI
        from mpitrain.engines.mpi import MPIWorld

        assert isinstance(own, MPIWorld)
        return AwareWorld(own, xp)
    return StreamWorld(own, xp) if name == DEVICE else PinnedWorld(own, xp, piece_bytes)


def _nccl(own: World, xp: ModuleType) -> Any:
    """NCCL, or what stands in for it on a device that is none."""
    if xp.__name__ != "mpitrain.emulated":
        return bindings()
    from mpitrain.emulated.memory import bytes_at
    from mpitrain.engines.emulated_nccl import Nccl

    return Nccl(own, bytes_at)


def _allow_sharing(host: World, device: Device) -> None:
    """Prepare NCCL for several ranks on one GPU, where the user allows it; else `UsageError`."""
    places = [tuple(text.split("\n")) for text in _texts(host, f"{platform.node()}\n{device.identity()}")]
    check_sharing([(node, identity) for node, identity in places])
    if len(set(places)) < len(places) and obstacle(NCCL, host, device) is None:
        for variable, value in one_gpu.environment(host.rank, bindings().get_version()).items():
            os.environ.setdefault(variable, value)


def _texts(host: World, text: str) -> list[str]:
    """What each rank says, in order of rank. Collective."""
    everything = np.zeros((host.size, TEXT), np.uint8)
    said = np.frombuffer(text.encode()[:TEXT], np.uint8)
    everything[host.rank, : said.size] = said
    host.allgather(everything)
    return [row.tobytes().rstrip(b"\0").decode(errors="replace") for row in everything]
