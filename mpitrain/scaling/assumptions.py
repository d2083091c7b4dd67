"""What the results rest on, a line each, with where it is from."""

from typing import NamedTuple


class Assumption(NamedTuple):
    """`options`: those of the command by whose defaults it holds."""

    told: str
    source: str
    options: tuple[str, ...] = ()


MODEL = (
    Assumption("a layer takes its share of all flops, and backward twice what forward does", "assumed"),
    Assumption("gradients are float32; a layer's are ready when its backward ends", "assumed"),
    Assumption("one exchange at a time, which does not slow computing", "assumed; arXiv 2006.10103 found up to 15 %"),
    Assumption("no rank is ever late; filling and agreeing on buckets takes no time", "assumed"),
)
"""On any network."""

NOT_MODELLED = Assumption("speeds, stragglers and faults in the network's file do nothing here", "not modelled")

BOUND = Assumption("≤: at most so long, as if all who can share a link always did", "analysis/estimate")

RATES = ("speed", "samples")
MACHINE = (
    Assumption("4 GPUs a server share a port of 25 Gb/s RoCE", "Horovod, docs/benchmarks"),
    Assumption("1024 of 1106 bytes on the wire are data", "RoCE v2's headers at its MTU of 1024, and Ethernet's"),
    Assumption("9.6 us a message between servers, 5.7 us within", "NCCL, src/graph/tuning.cc: ring, Simple, NET, PCI"),
    Assumption("12 GB/s within a server", "NCCL, src/graph/topo.h: PCI_BW"),
    Assumption("summing reads two numbers and writes one, at 732 GB/s", "NVIDIA: Tesla P100"),
    Assumption(
        "alone a GPU does 134.4 images/s (inception3), 119.4 (resnet101), 130.9 (vgg16)",
        "Horovod's README, 2017",
        RATES,
    ),
    Assumption("it reaches resnet101's flops a second with resnet50 and gpt2 too", "assumed: none published", RATES),
    Assumption("64 images a GPU", "Horovod, docs/benchmarks", ("batch",)),
    Assumption("8 sequences of gpt2 a GPU", "assumed: none published", ("batch",)),
    Assumption("a ring through all GPUs, server by server", "arXiv 1802.05799", ("algorithm",)),
    Assumption("buckets of 64 MiB", "Horovod, docs/tensor-fusion", ("bucket_bytes",)),
    Assumption("which go out when full; Horovod's go every 5 ms, full or not", "simplified: --cycle 0.005", ("cycle",)),
)
"""On that of Horovod's benchmarks."""
