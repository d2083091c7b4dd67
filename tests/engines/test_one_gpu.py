"""What NCCL is told when ranks share a GPU: by version, what the versions' sources ask for."""

from mpitrain.engines.one_gpu import environment


def test_each_rank_poses_as_a_host_up_to_nccl_2_29():
    hosts = {environment(rank, 22907)["NCCL_HOSTID"] for rank in range(4)}
    assert len(hosts) == 4
    assert "NCCL_MULTI_RANK_GPU_ENABLE" not in environment(0, 22907)


def test_there_is_a_switch_from_nccl_2_30():
    assert environment(3, 23003)["NCCL_MULTI_RANK_GPU_ENABLE"] == "1"
    assert "NCCL_HOSTID" not in environment(3, 23003)


def test_all_traffic_stays_on_this_host():
    for version in (22809, 23003):
        assert environment(0, version)["NCCL_SOCKET_IFNAME"] == "lo"
        assert environment(0, version)["NCCL_IB_DISABLE"] == "1"
