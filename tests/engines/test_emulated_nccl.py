"""NCCL's stand-in refuses what NCCL would hang in, or what would compute nonsense."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from mpitrain.emulated.memory import bytes_at
from mpitrain.engines.emulated_nccl import Nccl, NcclError
from mpitrain.engines.solo import SoloWorld


@pytest.fixture
def nccl():
    return Nccl(SoloWorld(), bytes_at)


@pytest.fixture
def comm(nccl):
    return nccl.NcclCommunicator(1, nccl.get_unique_id(), 0)


def test_a_message_to_oneself_within_a_group(nccl, comm):
    """Both sides are known when the group ends; the send takes the value from before."""
    data = xp.asarray(np.arange(6.0))
    nccl.groupStart()
    comm.recv(data[:3].data.ptr, 3, nccl.NCCL_FLOAT64, 0, 0)
    comm.send(data[2:5].data.ptr, 3, nccl.NCCL_FLOAT64, 0, 0)
    assert data.tolist() == [0, 1, 2, 3, 4, 5]
    nccl.groupEnd()
    assert data.tolist() == [2, 3, 4, 3, 4, 5]


def test_groups_in_groups_end_with_the_outer_one(nccl, comm):
    data = xp.asarray(np.array([1.0, 2.0]))
    nccl.groupStart()
    nccl.groupStart()
    comm.send(data[:1].data.ptr, 1, nccl.NCCL_FLOAT64, 0, 0)
    nccl.groupEnd()
    comm.recv(data[1:].data.ptr, 1, nccl.NCCL_FLOAT64, 0, 0)
    nccl.groupEnd()
    assert data.tolist() == [1, 1]


def exchange(sent, sent_kind, received, received_kind):
    def call(nccl, comm):
        data = xp.zeros(8)
        nccl.groupStart()
        comm.send(data.data.ptr, sent, getattr(nccl, sent_kind), 0, 0)
        comm.recv(data.data.ptr, received, getattr(nccl, received_kind), 0, 0)
        nccl.groupEnd()

    return call


def sends_only(nccl, comm):
    nccl.groupStart()
    comm.send(xp.zeros(2).data.ptr, 0, nccl.NCCL_FLOAT64, 0, 0)
    nccl.groupEnd()


REFUSED = [
    (exchange(2, "NCCL_FLOAT64", 3, "NCCL_FLOAT64"), "rank 0 sends 2 x float64, rank 0 receives 3 x float64"),
    (exchange(2, "NCCL_FLOAT64", 2, "NCCL_INT64"), "rank 0 sends 2 x float64, rank 0 receives 2 x int64"),
    (sends_only, "rank 0 sends to itself what it does not receive in this group"),
    (
        lambda nccl, comm: comm.send(xp.zeros(2).data.ptr, 2, nccl.NCCL_FLOAT64, 0, 0),
        "send outside of a group: it would wait for a peer that may be waiting for us",
    ),
    (lambda nccl, comm: nccl.groupEnd(), "groupEnd without groupStart"),
    (
        lambda nccl, comm: comm.allReduce(64, 64, 2, nccl.NCCL_FLOAT64, nccl.NCCL_SUM, 0),
        "2 x float64 at 0x40: 16 bytes at 0x40 are not in the device's memory",
    ),
    (lambda nccl, comm: comm.broadcast(0, 0, 1, 99, 0, 0), "type 99: invalid argument"),
    (lambda nccl, comm: [comm.destroy(), comm.destroy()], "a communicator that was destroyed: invalid argument"),
    (
        lambda nccl, comm: nccl.NcclCommunicator(2, nccl.get_unique_id(), 0),
        "rank 0 of 2, an id of 128 bytes: invalid argument",
    ),
]


@pytest.mark.parametrize(("call", "text"), REFUSED)
def test_what_is_refused(nccl, comm, call, text):
    with pytest.raises(NcclError) as refused:
        call(nccl, comm)
    assert str(refused.value) == text


def test_beyond_the_end_of_an_array(nccl, comm):
    array = xp.zeros(4)
    with pytest.raises(NcclError, match="are not in the device's memory"):
        comm.allReduce(array.data.ptr, array.data.ptr, 5, nccl.NCCL_FLOAT64, nccl.NCCL_SUM, 0)
