"""How data on devices reach other ranks: what is chosen, why, and what is refused; on one rank without MPI."""

import ml_dtypes
import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.collectives.catalogue import CATALOGUE, LIBRARY
from mpitrain.collectives.schedule import ScheduleError
from mpitrain.device import Device, find
from mpitrain.engines import transport
from mpitrain.engines.solo import SoloWorld
from mpitrain.engines.transport import obstacle, reach_devices
from mpitrain.errors import UsageError

EMULATED = find("emulated")
MOVED = [collective for collective in CATALOGUE if collective not in ("gossip", "barrier")]


@pytest.fixture(params=["auto", "nccl", "staged"])
def world(request):
    with reach_devices(SoloWorld(), EMULATED, request.param) as world:
        yield world


@pytest.mark.parametrize("collective", MOVED)
def test_all_data_of_one_rank_stay_as_they_are(world, collective):
    for algorithm in (*CATALOGUE[collective], "auto"):
        for count in (0, 1, 5):
            data = np.arange(float(count))
            room = (xp.full(count, -1.0),) if collective == "scatter" else ()
            got = getattr(world, collective)(xp.asarray(data), *room, algorithm=algorithm)
            np.testing.assert_array_equal(got.get(), data)


def test_a_mean_of_one_is_itself(world):
    for dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
        data = np.array([1.5, -2.0], dtype)
        np.testing.assert_array_equal(world.allreduce(xp.asarray(data), "mean").get(), data)


def test_arrays_of_the_host_stay_there(world):
    data = np.arange(3.0)
    assert world.allreduce(data) is data
    world.barrier()
    assert world.split(None) is None
    with world.split(0) as part:
        assert part.allreduce(xp.ones(2)).tolist() == [1, 1]


def test_one_rank_needs_no_transport():
    with reach_devices(SoloWorld(), EMULATED) as world:
        assert (world.engine, world.why) == ("device", "one rank: nothing travels")
        plan = world.plan("allreduce", world.empty(4), algorithm="ring")
        assert (plan.algorithm, plan.engine, plan.why) == ("ring", "device", "as asked for")
        with pytest.raises(ScheduleError) as refused:
            world.allreduce(xp.ones(2), algorithm=LIBRARY)
        assert str(refused.value) == ("no library runs allreduce on a device of one rank: choose one of our algorithms")


def test_auto_is_nccl_s_own_and_says_so():
    with reach_devices(SoloWorld(), EMULATED, "nccl") as world:
        choice = world.explain("allreduce", 1 << 20)
        assert (choice.algorithm, choice.engine) == ("library", "nccl")
        assert choice.reason == "NCCL's own, which knows the links between the devices and sums while it sends"
        assert choice.runner_up.startswith("nccl ")
        scan = world.explain("scan", 1 << 20)
        assert (scan.engine, scan.algorithm in CATALOGUE["scan"]) == ("nccl", True)
        for call, text in (
            (lambda: world.scan(xp.ones(2), algorithm=LIBRARY), "NCCL has no scan: choose one of our algorithms"),
            (
                lambda: world.allreduce(xp.ones(2, "complex64"), algorithm=LIBRARY),
                "NCCL cannot reduce complex64 by op 'sum': choose one of our algorithms",
            ),
        ):
            with pytest.raises(ScheduleError) as refused:
                call()
            assert str(refused.value) == text


def test_pieces_are_told():
    with reach_devices(SoloWorld(), EMULATED, "staged", piece_bytes=1000) as world:
        assert world.explain("allreduce", 4012).reason.endswith("; through pinned memory, in 5 pieces")
        assert world.explain("allgather", 4012).reason.endswith("; through pinned memory, in 1 piece")
        plan = world.plan("allreduce", world.empty(1003), algorithm="ring")
        assert plan.why == "as asked for; through pinned memory, in 5 pieces"
        assert plan.engine == "staged, solo"


REFUSED = [
    ("pigeon", "transport pigeon: expected auto, device, nccl, cuda_aware, staged"),
    ("cuda_aware", "transport cuda_aware: no MPI was started"),
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_what_cannot_be(name, text, monkeypatch):
    with pytest.raises(UsageError) as refused:
        reach_devices(SoloWorld(), EMULATED, name)
    assert str(refused.value) == text
    monkeypatch.setenv("MPITRAIN_TRANSPORT", name)
    with pytest.raises(UsageError) as refused:
        reach_devices(SoloWorld(), EMULATED)
    assert str(refused.value) == text


def test_the_host_needs_no_transport():
    with pytest.raises(ValueError, match=r"^device cpu: its arrays are the host's, whose world needs no transport$"):
        reach_devices(SoloWorld(), find("cpu"))


class Host:
    """A rank of several, as far as obstacles look at it."""

    size, rank, node_rank, engine = 4, 1, 1, "mpi"


def test_obstacles_of_a_gpu(monkeypatch):
    gpu, host = Device("cuda", xp), Host()
    assert obstacle("device", host, gpu) == "there are 4 ranks"

    def nowhere():
        raise ImportError("libnccl.so.2: cannot open shared object file")

    monkeypatch.setattr(transport, "bindings", nowhere)
    assert obstacle("nccl", host, gpu) == "CuPy finds no NCCL: libnccl.so.2: cannot open shared object file"
    monkeypatch.setattr(transport.cuda_probe, "obstacle", lambda: "a trial ended by SIGSEGV")
    assert obstacle("cuda_aware", host, gpu) is None, "the first rank of a node asks for all"
    host.node_rank = 0
    assert obstacle("cuda_aware", host, gpu) == "a trial ended by SIGSEGV"
    assert obstacle("staged", host, gpu) is None


def test_why_the_last_transport_is_taken(monkeypatch):
    told = {"device": "there are 4 ranks", "nccl": "CuPy finds no NCCL: gone", "cuda_aware": "a trial ended by SIGSEGV"}
    monkeypatch.setattr(transport, "obstacle", lambda name, host, device: told.get(name))
    with reach_devices(SoloWorld(), EMULATED) as world:
        assert world.engine == "staged"
        assert world.why == "no nccl: CuPy finds no NCCL: gone; no cuda_aware: a trial ended by SIGSEGV"
