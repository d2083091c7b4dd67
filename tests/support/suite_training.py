"""Training on many ranks: one rank's mathematics, on any number of ranks and with every algorithm."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from cases import THE_LIBRARY
from safetensors.numpy import load_file

from mpitrain.collectives.catalogue import CATALOGUE
from mpitrain.data import Dataset, load
from mpitrain.data.text import Memory
from mpitrain.engines.solo import SoloWorld
from mpitrain.errors import UsageError
from mpitrain.training.agreement import agreed
from mpitrain.training.config import Config
from mpitrain.training.loop import train
from mpitrain.training.summary import digest, replicas_alike
from mpitrain.training.trainer import Diverged, Trainer

STEPS = 10


@pytest.fixture(scope="module")
def fashion():
    return load("fashion")


@pytest.fixture(scope="module")
def alone(fashion):
    """The losses of one rank, on global batches of 61 (no number of ranks divides it)."""
    trainer = Trainer(SoloWorld(), config(), fashion)
    return [trainer.step().loss for _ in range(STEPS)], trainer.values


def config(**options):
    return Config(**{"global_batch": 61, "hidden": (32,), "epochs": 2} | options).completed()


GIVEN = "hierarchical(ranks_per_node=2, inner=ring, outer=swing)"


@pytest.mark.parametrize("algorithm", [*CATALOGUE["allreduce"], GIVEN, THE_LIBRARY, "auto"])
@pytest.mark.parametrize("bucket_bytes", [1, 1 << 20])
def test_many_ranks_do_the_mathematics_of_one(world, fashion, alone, algorithm, bucket_bytes):
    trainer = Trainer(world, config(algorithm=algorithm, bucket_bytes=bucket_bytes), fashion)
    assert len(trainer.strategy.buckets) == (2 if bucket_bytes == 1 else 1)
    losses = [trainer.step().loss for _ in range(STEPS)]
    np.testing.assert_allclose(losses, alone[0], rtol=2e-4)
    np.testing.assert_allclose(trainer.values, alone[1], atol=2e-5)
    assert replicas_alike(trainer)
    assert algorithm == "auto" or trainer.strategy.algorithms == algorithm


def test_the_cnn_too(world, fashion):
    options = config(model="cnn", channels=(4, 8), hidden=(16,))
    trainer, reference = Trainer(world, options, fashion), Trainer(SoloWorld(), options, fashion)
    for _ in range(5):
        np.testing.assert_allclose(trainer.step().loss, reference.step().loss, rtol=1e-4)
    assert trainer.evaluate().score == pytest.approx(reference.evaluate().score, abs=0.003)
    assert replicas_alike(trainer)


@pytest.mark.parametrize("microbatches", [2, 5])
def test_microbatches_do_the_mathematics_of_the_batch(world, fashion, alone, microbatches):
    """In parts of 61 samples over up to 8 ranks: uneven ones, and some without samples."""
    trainer = Trainer(world, config(microbatches=microbatches), fashion)
    np.testing.assert_allclose([trainer.step().loss for _ in range(STEPS)], alone[0], rtol=2e-4)
    np.testing.assert_allclose(trainer.values, alone[1], atol=2e-5)


def test_data_of_another_kind_are_refused(world, fashion):
    class Text:
        name, kind = "topics", "text"

    with pytest.raises(UsageError) as failure:
        Trainer(world, config(), Text())
    assert str(failure.value) == (
        "--data topics: text, expected images for model mlp; take other data, or a model for text (gpt)"
    )


@pytest.mark.parametrize(
    ("model", "data", "text"),
    [
        ("mlp", "road", "--data road: numbers to predict, expected classes for model mlp"),
        ("drive", "fashion", "--data fashion: classes to predict, expected numbers for model drive"),
    ],
)
def test_data_with_other_targets_are_refused(world, model, data, text):
    with pytest.raises(UsageError) as failure:
        Trainer(world, Config(model=model, data=data).completed(), load(data))
    assert str(failure.value) == f"{text}; `mpitrain models` lists what each model takes"


def test_ranks_without_samples_take_part(world, fashion):
    """Fewer samples than ranks: 3 samples in batches of 2, the last of 1."""
    few = Dataset("few", 10, fashion.train_inputs[:3], fashion.train_targets[:3], *few_held_out(fashion))
    options = replace(config(), global_batch=2, epochs=3)
    trainer, reference = Trainer(world, options, few), Trainer(SoloWorld(), options, few)
    for _ in range(6):
        done, wanted = trainer.step(), reference.step()
        assert (done.samples, done.score) == (wanted.samples, wanted.score)
        np.testing.assert_allclose(done.loss, wanted.loss, rtol=1e-4)
    assert trainer.evaluate().loss == pytest.approx(reference.evaluate().loss, rel=1e-4)


class Recorded:
    """Data that remember which samples to train on were read."""

    def __init__(self, dataset):
        self.dataset, self.reads = dataset, []

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def batch(self, indices):
        self.reads.append(indices.tolist())
        return self.dataset.batch(indices)


def test_what_is_streamed_is_read_ahead_and_the_same_as_in_memory(world, folder):
    """A file of text, in two steps of two microbatches, the second step smaller. Ranks without samples take part."""
    content = np.random.default_rng(0).integers(97, 105, 320, np.uint8).tobytes()
    if world.rank == 0:
        (folder / "text").write_bytes(content)
    world.barrier()
    options = config(model="gpt", sequence=8, global_batch=20, microbatches=2, epochs=1)
    streamed = Recorded(load("text", folder / "text", sequence=8))
    in_memory = Recorded(replace(streamed.dataset, source=Memory(content)))
    assert streamed.streamed and not in_memory.streamed and streamed.count == 35
    ahead, plain = (Trainer(world, options, dataset) for dataset in (streamed, in_memory))
    for step in range(2):
        assert ahead.step().loss == plain.step().loss
        ahead.batches.close()  # waits for the read that is under way
        if step == 0:
            assert len(streamed.reads) == 3 and len(in_memory.reads) == 2
    assert np.array_equal(ahead.values, plain.values)
    first, second, third, last = in_memory.reads
    assert streamed.reads == [first, second, third, third, last]  # again what was read when it was closed


def test_a_resumed_run_of_streamed_data_is_one_that_never_stopped(world, folder, fashion):
    """Read ahead, stopped within an epoch and resumed, against straight on from memory."""
    if world.rank == 0:
        (folder / "data").mkdir()
        parts = {"images": fashion.train_inputs, "labels": fashion.train_targets}
        for name, array in parts.items():
            np.save(folder / "data" / f"{name}.npy", array[:60])
            np.save(folder / "data" / f"test_{name}.npy", array[60:70])
    world.barrier()
    options = replace(
        config(data="arrays", progress="plain", microbatches=2), data_dir=folder / "data", run_dir=folder,
        global_batch=13, epochs=2,
    )  # fmt: skip
    data = load("arrays", folder / "data")
    assert data.streamed
    in_memory = map(np.array, (data.train_inputs, data.train_targets, data.test_inputs, data.test_targets))
    straight = Trainer(world, options, Dataset("arrays", 10, *in_memory))
    assert not straight.dataset.streamed
    for _ in range(10):
        straight.step()
    stopped = train(world, replace(options, name="stopped", steps=7))
    resumed = train(world, replace(options, name="stopped"), next(folder.glob("*-stopped")))
    assert (stopped["steps"], resumed["steps"]) == (7, 10)
    assert resumed["parameters_sha256"] == digest(straight.values)


def few_held_out(fashion):
    return fashion.test_inputs[:1], fashion.test_targets[:1]


def test_a_resumed_run_is_one_that_never_stopped(world, folder):
    """Stopped within an epoch, bit by bit: parameters, velocity, and all losses on record."""
    options = replace(config(progress="plain", momentum=0.9), run_dir=folder, global_batch=500, epochs=2)
    straight = train(world, replace(options, name="straight"))
    stopped = train(world, replace(options, name="stopped", steps=7))
    assert stopped["steps"] == 7
    path = next(folder.glob("*-stopped"))
    resumed = train(world, replace(options, name="stopped"), path)
    assert resumed["steps"] == straight["steps"] == 20
    assert resumed["parameters_sha256"] == straight["parameters_sha256"]
    assert resumed["train_loss"] == straight["train_loss"]
    if world.rank == 0:
        runs = [next(folder.glob(f"*-{name}")) for name in ("straight", "stopped")]
        states = [load_file(run / "state" / "checkpoint.safetensors") for run in runs]
        assert np.array_equal(states[0]["update.optimiser.velocity"], states[1]["update.optimiser.velocity"])
        records = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in runs]
        timeless = [[strip_times(record) for record in records_of_run] for records_of_run in records]
        assert timeless[0] == timeless[1]
    with pytest.raises(UsageError, match="is at step 20, the run ends at 20: nothing is left to do"):
        train(world, replace(options, name="stopped"), path)


def strip_times(record):
    timed = ("seconds", "samples_per_second", "slowest_rank")
    return {key: value for key, value in record.items() if not any(word in key for word in timed)}


def test_resuming_at_another_size_is_refused(world, folder):
    options = replace(config(progress="plain"), run_dir=folder, global_batch=500, steps=1)
    train(world, options)
    path = next(folder.iterdir())
    if world.size > 1:
        with pytest.raises(UsageError, match=f"the run had {world.size} ranks: expected as many now, found 1"):
            train(SoloWorld(), replace(options, steps=None), path)


def test_a_loss_that_is_no_number_stops_all_ranks(world, fashion, folder):
    """One bad image, seen by one rank, in the third step: the parameters stay those of the second."""
    options = replace(config(), global_batch=world.size, seed=3)
    trainer = Trainer(world, options, PoisonedDataset(fashion, world, at_step=3))
    for _ in range(2):
        good = trainer.step()
    kept = trainer.values.copy()
    with pytest.raises(Diverged) as failure:
        trainer.step()
    assert str(failure.value) == (
        f"step 3: the loss is nan, on rank {world.size - 1}; the last finite step is 2, loss {good.loss:.6g}; "
        "try a smaller --lr, or more --warmup-steps"
    )
    assert np.array_equal(trainer.values, kept)


class PoisonedDataset:
    """The last rank's images are NaN in one step."""

    def __init__(self, dataset, world, at_step):
        self.dataset, self.last, self.left = dataset, world.rank == world.size - 1, at_step

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def batch(self, indices):
        images, labels = self.dataset.batch(indices)
        self.left -= 1
        return (images * math.nan if self.last and self.left == 0 else images), labels


def test_an_error_on_one_rank_is_an_error_on_all(world):
    def action():
        if world.rank == world.size - 1:
            raise UsageError("file x: no such file")
        return 5

    where = f" (on rank {world.size - 1} of {world.size})" if world.size > 1 else ""
    with pytest.raises(UsageError) as failure:
        agreed(world, action)
    assert str(failure.value) == f"file x: no such file{where}"
    assert agreed(world, lambda: 5) == 5
