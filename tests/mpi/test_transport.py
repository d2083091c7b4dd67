"""Ranks agree on how data on devices travel, and on what they call."""

import pytest

import mpitrain.emulated as xp
from mpitrain import CollectiveMismatch, UsageError
from mpitrain.device import find

pytestmark = pytest.mark.mpi


@pytest.mark.parametrize("transport", ["nccl", "staged", "cuda_aware"])
def test_checked_mode_sees_calls_that_differ(world, transport):
    if world.size == 1:
        pytest.skip("one rank agrees with itself")
    from mpitrain.engines.transport import reach_devices

    with reach_devices(world, find("emulated"), transport) as checked:
        odd = world.rank == world.size - 1
        with pytest.raises(CollectiveMismatch, match=r"count=10.*\n.*count=11|differ"):
            checked.allreduce(xp.ones(11 if odd else 10), algorithm="ring")
        plan = checked.plan("allreduce", xp.ones(3), algorithm="ring")
        with pytest.raises(CollectiveMismatch, match="expected the same calls in the same order on every rank"):
            checked.bcast(xp.ones(3)) if odd else plan.run()
        assert plan.run().tolist() == [world.size] * 3
        plan.free()


def test_transports_that_were_asked_for_are_alike_on_all_ranks(world):
    """Rank 0's environment counts; what is not possible on one rank is refused on all, with that rank's reason."""
    from mpitrain.engines import transport

    with pytest.MonkeyPatch.context() as patch:
        if world.rank == 0:
            patch.setenv("MPITRAIN_TRANSPORT", "staged")
        with transport.reach_devices(world, find("emulated"), "nccl") as reaching:
            assert (reaching.engine, reaching.why) == ("staged", "as asked for")
    last = world.size - 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transport, "obstacle", lambda name, host, device: "gone" if host.rank == last else None)
        with pytest.raises(UsageError, match="transport nccl: gone"):
            transport.reach_devices(world, find("emulated"), "nccl")
