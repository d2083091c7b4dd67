"""Training on virtual ranks; and what only they can show: many of them, slow ones, bad links, and one that is gone."""

import numpy as np
import pytest
from suite_training import *  # noqa: F403
from suite_training import config

from mpitrain import virtual
from mpitrain.engines.solo import SoloWorld
from mpitrain.training.summary import digest
from mpitrain.training.trainer import Trainer
from mpitrain.virtual import Fault, Network, RankFailed, Straggler

RANKS = (1, 2, 3, 5, 8)
MANY = 64
ROUGH = Network.nodes(
    5, near=(5e-7, 1e-10), far=(3e-6, 1e-9), gamma=5e-11, speeds={9: 0.5}, eager=4096, rendezvous=5e-6,
    stragglers=(
        Straggler(8, ranks=(1, 40)),
        Straggler(3, "random"),
        Straggler(20, "bursts", every=2e-3, lasting=5e-4),
    ),
    faults=(
        Fault("slow", (0, 5), at=0, factor=1000),
        Fault("cut", (7, 8), at=1e-3, lasting=1e-2),
        Fault("freeze", "any", at=(0, 5e-3), lasting=1e-2),
    ),
)  # fmt: skip
"""Nodes of 5 of 64 ranks, none of them as fast as the next."""


@pytest.fixture
def folder(tmp_path):
    """All ranks are of one process."""
    return tmp_path


def trained(world, fashion, options, steps=5):
    """Losses, and the parameters' digest."""
    trainer = Trainer(world, options, fashion)
    losses = [trainer.step().loss for _ in range(steps)]
    return losses, digest(trainer.values)


@pytest.mark.parametrize("algorithm", ["ring", "halving_doubling", "double_tree", "hierarchical", "auto"])
def test_whatever_the_network_does_the_mathematics_are_those_of_one_rank(fashion, algorithm):
    """200 samples for 64 ranks: shares of three and four. All ranks have the same bits, on a smooth network too."""
    options = config(global_batch=200, hidden=(16,), algorithm=algorithm, bucket_bytes=4096)
    wanted, _ = trained(SoloWorld(), fashion, options)
    rough = virtual.run(lambda world: trained(world, fashion, options), MANY, ROUGH, seed=1)
    for losses, _ in rough.results:
        np.testing.assert_allclose(losses, wanted, rtol=2e-4)
    assert len({digest for _, digest in rough.results}) == 1
    if algorithm not in ("auto", "hierarchical"):  # which are others where there are no nodes
        smooth = virtual.run(lambda world: trained(world, fashion, options), MANY, "flat", seed=2)
        assert smooth.results == rough.results
        assert smooth.seconds < rough.seconds


@pytest.mark.parametrize("rank", [0, 13, MANY - 1])
def test_a_crash_ends_the_training_and_names_the_rank(fashion, rank):
    options, came = config(global_batch=200, hidden=(16,)), {}

    def program(world):
        trainer = Trainer(world, options, fashion)
        for step in range(8):
            trainer.step()
            came[world.rank] = step

    whole = virtual.run(program, MANY, "cluster").seconds
    assert set(came.values()) == {7}
    crash = Fault("crash", rank, at=whole / 2)
    network = Network.nodes(5, near=(5e-7, 1e-10), far=(3e-6, 1e-9), gamma=5e-11, faults=(crash,))
    with pytest.raises(
        RankFailed, match=rf"^rank {rank} crashed at {whole / 2:g} s: (send|recv) of .* will never end\n"
    ):
        virtual.run(program, MANY, network)
    assert max(came.values()) < 7


def test_who_hears_of_a_crash_may_go_on(fashion):
    """Nobody who waits for what the crashed rank had to give waits for ever: those that catch it come to their ends."""
    options = config(global_batch=200, hidden=(16,), algorithm="direct")  # each rank hears from all others itself

    def program(world):
        trainer = Trainer(world, options, fashion)
        try:
            for _ in range(8):
                trainer.step()
        except RankFailed as failure:
            return failure.rank

    healthy = virtual.run(program, 16, "flat").seconds
    flat = Network.flat(1e-6, 1e-10, 0, faults=(Fault("crash", 3, at=healthy / 2),))
    found = virtual.run(program, 16, flat)
    assert found.results == [3, 3, 3, None, *[3] * 12]
    assert list(found.crashed) == [3]
