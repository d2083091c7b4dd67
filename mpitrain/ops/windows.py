"""Where windows stand in an image, for convolutions and pooling."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mpitrain.array import namespace
from mpitrain.memory import empty

Array = Any
Pair = tuple[int, int]


class Window(NamedTuple):
    """Pairs (down, across), in pixels.

    A window has `kernel` places, `dilation` apart; windows start every `stride` pixels, the first `padding` before
    the edge. Those that would reach over the far edge and its padding are left out.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @classmethod
    def of(
        cls, kernel: int | Pair, stride: int | Pair = 1, padding: int | Pair = 0, dilation: int | Pair = 1
    ) -> "Window":
        """From numbers that count for both sides, or pairs; ValueError for a window that cannot be."""
        window = cls(*(pair(name, value) for name, value in locals().items() if name != "cls"))
        for name, least in (("kernel", 1), ("stride", 1), ("padding", 0), ("dilation", 1)):
            if min(getattr(window, name)) < least:
                raise ValueError(f"{name} must be at least {least} down and across, found {getattr(window, name)}")
        return window

    @property
    def places(self) -> int:
        """How many pixels a window looks at."""
        return math.prod(self.kernel)

    @property
    def reach(self) -> Pair:
        """From the first to the last pixel of a window, both included."""
        down, across = ((places - 1) * apart + 1 for places, apart in zip(self.kernel, self.dilation, strict=True))
        return down, across

    @property
    def is_point(self) -> bool:
        """Whether windows are the pixels themselves."""
        return self == Window((1, 1))

    def sides(self, image: Pair) -> Pair:
        """How many windows fit an image of (height, width); ValueError if none does."""
        room = [side + 2 * padding for side, padding in zip(image, self.padding, strict=True)]
        if any(side < reach for side, reach in zip(room, self.reach, strict=True)):
            raise ValueError(
                f"a window of {self.reach[0]} x {self.reach[1]} does not fit an image of {room[0]} x {room[1]} pixels, "
                "padding included"
            )
        down, across = (
            (side - reach) // stride + 1 for side, reach, stride in zip(room, self.reach, self.stride, strict=True)
        )
        return down, across


def window_numbers(window: Window, images: tuple[int, ...]) -> tuple[Any, ...]:
    """What kernels take as WINDOW_NUMBERS, for images of shape (batch, height, width, channels)."""
    _, height, width, channels = images
    options = [side for pair in window for side in pair]
    return tuple(map(np.int32, (height, width, channels, *window.sides((height, width)), *options)))


def pair(name: str, value: int | Pair) -> Pair:
    """Both sides of an option; ValueError if it is neither a number nor a pair."""
    if isinstance(value, int):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or a pair (down, across), found {value!r}")
    down, across = value
    return down, across


def bordered(shape: tuple[int, ...], dtype: Any, padding: Pair, fill: float, xp: Any) -> tuple[Array, Array]:
    """An array for images of `shape` (batch, height, width, channels) and a border of `fill`; and the view within."""
    (batch, height, width, channels), (down, across) = shape, padding
    padded = empty((batch, height + 2 * down, width + 2 * across, channels), dtype, xp)
    if down:
        padded[:, :down] = padded[:, height + down :] = fill
    if across:
        padded[:, :, :across] = padded[:, :, width + across :] = fill
    return padded, inside(padded, padding)


def inside(padded: Array, padding: Pair) -> Array:
    """The view of (batch, height, width, channels) without its border."""
    down, across = padding
    return padded[:, down : padded.shape[1] - down, across : padded.shape[2] - across]


def pad(x: Array, padding: Pair, fill: float = 0) -> Array:
    """(batch, height, width, channels) with a border; x itself if there is none."""
    if padding == (0, 0):
        return x
    padded, within = bordered(x.shape, x.dtype, padding, fill, namespace(x))
    within[...] = x
    return padded


def parts(images: Array, elements: int) -> Iterator[slice]:
    """The batch, a few images at a time: as many as have so many elements, at least one."""
    step = max(1, elements * len(images) // max(1, images.size))
    for start in range(0, len(images), step):
        yield slice(start, start + step)


def places(padded: Array, window: Window) -> Iterator[Array]:
    """For each place of the window, row by row, the view of the pixels that stand there in some window.

    `padded` has its border already; the views are (batch, windows down, windows across, channels).
    """
    (height, width), (down, across) = window._replace(padding=(0, 0)).sides(padded.shape[1:3]), window.stride
    for i in range(0, window.reach[0], window.dilation[0]):
        for j in range(0, window.reach[1], window.dilation[1]):
            yield padded[:, i : i + down * height : down, j : j + across * width : across]
