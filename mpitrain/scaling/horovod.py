"""What Horovod's authors have published of their benchmarks.

Sergeev and Del Balso, Horovod: fast and easy distributed deep learning in TensorFlow, arXiv 1802.05799
Horovod's README until October 2017 (pull request 44), until 2018, and docs/benchmarks of today
"""

from functools import cache

from mpitrain.network import Network, read

NETWORK = "horovod"
"""The preset: `mpitrain/network/presets/horovod.toml`."""

BATCH = 64
"""Images a GPU in each step."""

IMAGES_A_SECOND = {"inception3": 134.4, "resnet101": 119.4, "vgg16": 130.9}
"""Of one GPU alone, batch 64: README until October 2017."""

EFFICIENCY = {
    16: {"inception3": 2022.6 / 16 / 134.4, "resnet101": 1746.2 / 16 / 119.4, "vgg16": 1787.4 / 16 / 130.9},
    128: {"inception3": 0.90, "resnet101": 0.90, "vgg16": 0.79},
    512: {"inception3": 0.90, "resnet101": 0.90, "vgg16": 0.68},
}
"""By GPUs: images a second of all, over those of as many alone. 16: README until October 2017, with RDMA and NCCL; 128:
README until 2018; 512: docs/benchmarks."""

OTHER_BATCH = {"gpt2": 8}
"""Samples a GPU where 64 are no sensible number: our choice, nothing is published."""


@cache
def _machine() -> Network:
    return read(NETWORK)


def is_machine(network: Network) -> bool:
    """Whether it is theirs, in every number."""
    return network == _machine()
