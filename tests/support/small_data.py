"""A few samples of every kind of data, drawn at random: enough for a model to be built for, and to learn by heart."""

import numpy as np

CLASSES = 3


class SmallData:
    """Samples of a kind; each input is seen with one and the same target."""

    name, predictions, streamed = "small", 1, False
    test_count = 4

    def __init__(self, kind, classes=CLASSES, count=20):
        self.kind, self.classes, self.count = kind, classes, count
        generator = np.random.default_rng(0)
        self.inputs, self.targets = DRAWN[kind](generator, count)
        if kind == "text":
            self.classes, self.predictions = 256, self.inputs.shape[1]
        elif classes is None:
            self.targets = generator.standard_normal((count, 1)).astype(np.float32)
        self.shape = (3, 2) if kind == "table" else self.inputs.shape[1:]
        self.cardinalities = (7, 5)

    def batch(self, indices):
        inputs = self.inputs
        return tuple(part[indices] for part in inputs) if self.kind == "table" else inputs[indices], self.targets[
            indices
        ]

    test_batch = batch


def _images(generator, count):
    return generator.standard_normal((count, 9, 6, 1)).astype(np.float32), generator.integers(0, CLASSES, count)


def _series(generator, count):
    return generator.standard_normal((count, 20, 2)).astype(np.float32), generator.integers(0, CLASSES, count)


def _text(generator, count):
    text = generator.integers(97, 101, (count, 9))
    text[:, 0] = np.arange(count)  # tells what comes
    return text[:, :-1], text[:, 1:]


def _table(generator, count):
    ids = np.stack([generator.integers(0, 7, count), generator.integers(0, 5, count)], axis=1)
    return (generator.standard_normal((count, 3)).astype(np.float32), ids), generator.integers(0, 2, count).astype("f4")


DRAWN = {"images": _images, "series": _series, "text": _text, "table": _table}
