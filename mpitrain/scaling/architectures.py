"""The networks whose layers the tables list, built up from their definitions.

`python -m mpitrain.scaling.architectures` writes the tables anew. Names of layers, sizes and counts are torchvision's
(ResNet with the stride in the 3 x 3 convolution, Inception V3 without its auxiliary head), and OpenAI's for GPT-2
small, whose output head shares the embedding's parameters.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mpitrain.scaling.layers import Layer

Shape = tuple[int, int, int]
"""Channels, height, width."""


class Network:
    """Layers as they are added; `shape` is what the last one gave."""

    def __init__(self, shape: Shape):
        self.layers: list[Layer] = []
        self.shape = shape

    def convolution(
        self,
        name: str,
        channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
        bias: bool = False,
    ) -> None:
        (height, width), (above, beside) = _pair(kernel), _pair(padding)
        inputs, rows, columns = self.shape
        weights = inputs * height * width * channels
        self.shape = (
            channels, (rows + 2 * above - height) // stride + 1, (columns + 2 * beside - width) // stride + 1,
        )  # fmt: skip
        flops = 2 * weights * self.shape[1] * self.shape[2]
        self.layers.append(Layer(name, "convolution", flops, weights + bias * channels))

    def batch_norm(self, name: str) -> None:
        self.layers.append(Layer(name, "batch norm", 0, 2 * self.shape[0]))

    def pool(self, kernel: int, stride: int, padding: int = 0) -> None:
        """Nothing to learn, and next to nothing to compute: no row."""
        channels, rows, columns = self.shape
        self.shape = (
            channels, (rows + 2 * padding - kernel) // stride + 1, (columns + 2 * padding - kernel) // stride + 1,
        )  # fmt: skip


def linear(name: str, inputs: int, outputs: int, positions: int = 1) -> Layer:
    """A matrix with a bias, on each of so many positions."""
    return Layer(name, "linear", 2 * inputs * outputs * positions, inputs * outputs + outputs)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def vgg16() -> Sequence[Layer]:
    network = Network((3, 224, 224))
    at = 0
    for channels, times in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(times):
            network.convolution(f"features.{at}", channels, 3, padding=1, bias=True)
            at += 2  # an activation in between
        network.pool(2, 2)
        at += 1
    for number, (inputs, outputs) in enumerate(((512 * 7 * 7, 4096), (4096, 4096), (4096, 1000))):
        network.layers.append(linear(f"classifier.{3 * number}", inputs, outputs))
    return network.layers


def resnet(blocks: Sequence[int]) -> Sequence[Layer]:
    network = Network((3, 224, 224))
    network.convolution("conv1", 64, 7, stride=2, padding=3)
    network.batch_norm("bn1")
    network.pool(3, 2, padding=1)
    for stage, count in enumerate(blocks):
        for block in range(count):
            _bottleneck(network, f"layer{stage + 1}.{block}", 64 << stage, 2 if stage and not block else 1)
    network.layers.append(linear("fc", 2048, 1000))
    return network.layers


def _bottleneck(network: Network, name: str, width: int, stride: int) -> None:
    """1 x 1 narrow, 3 x 3, 1 x 1 wide; beside it a 1 x 1 where the shape changes."""
    before = network.shape
    for number, (channels, kernel, step) in enumerate(((width, 1, 1), (width, 3, stride), (4 * width, 1, 1)), start=1):
        network.convolution(f"{name}.conv{number}", channels, kernel, step, padding=kernel // 2)
        network.batch_norm(f"{name}.bn{number}")
    if before[0] != 4 * width:
        network.shape = before
        network.convolution(f"{name}.downsample.0", 4 * width, 1, stride)
        network.batch_norm(f"{name}.downsample.1")


Branch = tuple[str, str, int, int | tuple[int, int]]
"""A convolution of an Inception block: its name, whose output it takes ("": the block's input), channels, kernel."""

A: Sequence[Branch] = (
    ("branch1x1", "", 64, 1),
    ("branch5x5_1", "", 48, 1), ("branch5x5_2", "branch5x5_1", 64, 5),
    ("branch3x3dbl_1", "", 64, 1), ("branch3x3dbl_2", "branch3x3dbl_1", 96, 3),
    ("branch3x3dbl_3", "branch3x3dbl_2", 96, 3),
)  # fmt: skip
B: Sequence[Branch] = (
    ("branch3x3", "", 384, 3),
    ("branch3x3dbl_1", "", 64, 1), ("branch3x3dbl_2", "branch3x3dbl_1", 96, 3),
    ("branch3x3dbl_3", "branch3x3dbl_2", 96, 3),
)  # fmt: skip
D: Sequence[Branch] = (
    ("branch3x3_1", "", 192, 1), ("branch3x3_2", "branch3x3_1", 320, 3),
    ("branch7x7x3_1", "", 192, 1), ("branch7x7x3_2", "branch7x7x3_1", 192, (1, 7)),
    ("branch7x7x3_3", "branch7x7x3_2", 192, (7, 1)), ("branch7x7x3_4", "branch7x7x3_3", 192, 3),
)  # fmt: skip
E: Sequence[Branch] = (
    ("branch1x1", "", 320, 1),
    ("branch3x3_1", "", 384, 1), ("branch3x3_2a", "branch3x3_1", 384, (1, 3)),
    ("branch3x3_2b", "branch3x3_1", 384, (3, 1)),
    ("branch3x3dbl_1", "", 448, 1), ("branch3x3dbl_2", "branch3x3dbl_1", 384, 3),
    ("branch3x3dbl_3a", "branch3x3dbl_2", 384, (1, 3)), ("branch3x3dbl_3b", "branch3x3dbl_2", 384, (3, 1)),
    ("branch_pool", "", 192, 1),
)  # fmt: skip


def _pooled(width: int) -> Branch:
    return "branch_pool", "", width, 1


def _c(width: int) -> Sequence[Branch]:
    return (
        ("branch1x1", "", 192, 1),
        ("branch7x7_1", "", width, 1), ("branch7x7_2", "branch7x7_1", width, (1, 7)),
        ("branch7x7_3", "branch7x7_2", 192, (7, 1)),
        ("branch7x7dbl_1", "", width, 1), ("branch7x7dbl_2", "branch7x7dbl_1", width, (7, 1)),
        ("branch7x7dbl_3", "branch7x7dbl_2", width, (1, 7)), ("branch7x7dbl_4", "branch7x7dbl_3", width, (7, 1)),
        ("branch7x7dbl_5", "branch7x7dbl_4", 192, (1, 7)),
        ("branch_pool", "", 192, 1),
    )  # fmt: skip


def inception3() -> Sequence[Layer]:
    network = Network((3, 299, 299))
    _basic(network, "Conv2d_1a_3x3", 32, 3, stride=2)
    _basic(network, "Conv2d_2a_3x3", 32, 3)
    _basic(network, "Conv2d_2b_3x3", 64, 3, padding=1)
    network.pool(3, 2)
    _basic(network, "Conv2d_3b_1x1", 80, 1)
    _basic(network, "Conv2d_4a_3x3", 192, 3)
    network.pool(3, 2)
    for name, width in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        _mixed(network, name, [*A, _pooled(width)])
    _mixed(network, "Mixed_6a", B, halves=("branch3x3", "branch3x3dbl_3"))
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        _mixed(network, name, _c(width))
    _mixed(network, "Mixed_7a", D, halves=("branch3x3_2", "branch7x7x3_4"))
    for name in ("Mixed_7b", "Mixed_7c"):
        _mixed(network, name, E)
    network.layers.append(linear("fc", 2048, 1000))
    return network.layers


def _basic(
    network: Network, name: str, channels: int, kernel: int | tuple[int, int], stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> None:  # fmt: skip
    network.convolution(f"{name}.conv", channels, kernel, stride, padding)
    network.batch_norm(f"{name}.bn")


def _mixed(network: Network, name: str, branches: Sequence[Branch], halves: Sequence[str] = ()) -> None:
    """Branches side by side; the channels of those whose output no other takes stand after one another.

    `halves`: those with stride 2 and no padding. The block's input then joins them, through a pooling alone.
    """
    shapes = {"": network.shape}
    for branch, after, channels, kernel in branches:
        network.shape = shapes[after]
        height, width = _pair(kernel)
        padding = (0, 0) if branch in halves else (height // 2, width // 2)
        _basic(network, f"{name}.{branch}", channels, kernel, 2 if branch in halves else 1, padding)
        shapes[branch] = network.shape
    taken = {after for _, after, *_ in branches} - ({""} if halves else set())
    channels = sum(shape[0] for branch, shape in shapes.items() if branch not in taken)
    network.shape = (channels, *network.shape[1:])


def gpt2(width: int = 768, blocks: int = 12, positions: int = 1024, words: int = 50257) -> Sequence[Layer]:
    """A sample is a sequence of 1024 tokens. Attention counts in full, though half of it is masked."""
    layers = [Layer("wte + wpe", "embedding", 0, (words + positions) * width)]
    for block in range(blocks):
        layers += _transformer(f"h.{block}", width, positions)
    layers.append(Layer("ln_f", "layer norm", 0, 2 * width))
    layers.append(Layer("lm_head (tied to wte)", "linear", 2 * width * words * positions, 0))
    return layers


def _transformer(name: str, width: int, positions: int) -> Sequence[Layer]:
    return (
        Layer(f"{name}.ln_1", "layer norm", 0, 2 * width),
        linear(f"{name}.attn.c_attn", width, 3 * width, positions),
        Layer(f"{name}.attn", "attention", 2 * 2 * width * positions * positions, 0),  # scores, then values
        linear(f"{name}.attn.c_proj", width, width, positions),
        Layer(f"{name}.ln_2", "layer norm", 0, 2 * width),
        linear(f"{name}.mlp.c_fc", width, 4 * width, positions),
        linear(f"{name}.mlp.c_proj", 4 * width, width, positions),
    )


DEFINITIONS: dict[str, tuple[Callable[[], Sequence[Layer]], str]] = {
    "resnet50": (lambda: resnet((3, 4, 6, 3)), "ResNet-50, image of 224 x 224. He et al., arXiv 1512.03385"),
    "resnet101": (lambda: resnet((3, 4, 23, 3)), "ResNet-101, image of 224 x 224. He et al., arXiv 1512.03385"),
    "inception3": (inception3, "Inception V3, image of 299 x 299. Szegedy et al., arXiv 1512.00567"),
    "vgg16": (vgg16, "VGG-16, image of 224 x 224. Simonyan and Zisserman, arXiv 1409.1556"),
    "gpt2": (gpt2, "GPT-2 small, sequence of 1024 tokens. Radford et al., Language models are unsupervised "
                   "multitask learners, 2019"),
}  # fmt: skip


def table(model: str) -> str:
    """The text of a model's table."""
    layers, source = DEFINITIONS[model][0](), DEFINITIONS[model][1]
    lines = [f"# {source}", ",".join(Layer._fields)]
    return "\n".join([*lines, *(",".join(map(str, layer)) for layer in layers), ""])


if __name__ == "__main__":
    for model in DEFINITIONS:
        (Path(__file__).parent / "tables" / f"{model}.csv").write_text(table(model), encoding="utf-8")
