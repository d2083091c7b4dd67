"""Several ranks on one GPU, for tests: what NCCL must be told, which refuses it otherwise.

Up to NCCL 2.29 two ranks are "duplicate" if both their hosts and their GPUs are the same, so that each poses as a host
of its own; from 2.30 there is a switch. All traffic then goes by sockets of the loopback interface: right, and slow.
One block a rank, and the plainest algorithm and protocol, since the ranks' kernels wait for each other on one device.
"""

from collections.abc import Mapping

SWITCH_SINCE = 23000
"""2.30.0, as NCCL numbers its versions."""


def environment(rank: int, version: int) -> Mapping[str, str]:
    """To be set before NCCL starts (its unique id included), where the user has not set it otherwise."""
    sharing = (
        {"NCCL_MULTI_RANK_GPU_ENABLE": "1"} if version >= SWITCH_SINCE else {"NCCL_HOSTID": f"mpitrain-rank{rank}"}
    )
    return sharing | {
        "NCCL_SOCKET_IFNAME": "lo",
        "NCCL_IB_DISABLE": "1",
        "NCCL_MAX_CTAS": "1",
        "NCCL_NVLS_ENABLE": "0",
        "NCCL_MNNVL_ENABLE": "0",
        "NCCL_RAS_ENABLE": "0",
        "NCCL_ALGO": "Ring",
        "NCCL_PROTO": "Simple",
    }
