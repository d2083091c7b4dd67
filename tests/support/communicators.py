"""Algorithms with which the tests of `Communicator` run its calls."""

OURS = {
    "allreduce": "recursive_doubling", "reduce_scatter": "direct", "allgather": "ring", "bcast": "binomial_tree",
    "reduce": "linear", "gather": "linear", "scatter": "linear", "alltoall": "pairwise", "scan": "recursive_doubling",
    "exscan": "recursive_doubling", "barrier": "dissemination",
}  # fmt: skip
"""Algorithms that keep rank order and take blocks that differ."""
