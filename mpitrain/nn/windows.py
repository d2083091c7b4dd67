"""The windows of a padded image laid out as the rows of a matrix (im2col), a few images at a time.

Whole-batch columns would be kernel^2 times the input and go out to memory and back. Those of a few images fit the
cache, and are gone after their product.
"""

import math
from collections.abc import Iterator
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty

Array = Any

# Elements of the scratch for columns: a processor's cache, or as much as keeps a GPU busy.
SCRATCH = {"numpy": 1 << 19, "cupy": 1 << 27}
# At most, with one channel: columns are narrow then, and OpenBLAS has a faster way for narrow matrices that are short.
NARROW_SCRATCH = {"numpy": 1 << 15, "cupy": 1 << 27}


def out_sides(images: Array, kernel: int, stride: int) -> tuple[int, int]:
    """How many windows fit down and across a (batch, height, width, channels) array; ValueError if none does."""
    height, width = images.shape[1:3]
    if min(height, width) < kernel:
        raise ValueError(
            f"a window of {kernel} x {kernel} does not fit an image of {height} x {width} pixels, padding included"
        )
    return (height - kernel) // stride + 1, (width - kernel) // stride + 1


def pad(x: Array, padding: int) -> Array:
    """(batch, height, width, channels) with a border of zeros; x itself if there is none."""
    if padding == 0:
        return x
    batch, height, width, channels = x.shape
    padded = empty((batch, height + 2 * padding, width + 2 * padding, channels), x.dtype, namespace(x))
    for edge in (slice(padding), slice(-padding, None)):
        padded[:, edge] = padded[:, :, edge] = 0
    padded[:, padding:-padding, padding:-padding] = x
    return padded


def unpad(padded: Array, padding: int) -> Array:
    """The view of `padded` without its border."""
    return padded[:, padding:-padding, padding:-padding] if padding else padded


def columns(padded: Array, kernel: int, stride: int) -> Iterator[tuple[slice, Array]]:
    """For each part of the batch, its slice and its (windows, kernel * kernel * channels) matrix.

    The matrices share one scratch: each is good until the next is asked for. An empty batch has one part, empty too.
    """
    xp = namespace(padded)
    batch, channels = len(padded), padded.shape[-1]
    windows_of_one, inner = math.prod(out_sides(padded, kernel, stride)), kernel * kernel * channels
    room = SCRATCH[xp.__name__] if channels > 1 else min(SCRATCH[xp.__name__], NARROW_SCRATCH[xp.__name__])
    step = max(1, min(batch, room // (windows_of_one * inner)))
    scratch = empty((step * windows_of_one * inner,), padded.dtype, xp)

    windows = xp.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # batch, out height, out width, kernel, kernel, channels
    for start in range(0, max(1, batch), step):
        images = slice(start, min(start + step, batch))
        part = windows[images]
        numbers = scratch[: part.size]
        # NumPy copies run by run. With one channel a row of a window is a run of `kernel` elements, and turning the
        # matrix makes runs of the image's width out of it: five times faster for 3 x 3 on 28 x 28.
        matrix = numbers.reshape(inner, -1).T if channels == 1 else numbers.reshape(-1, inner)
        matrix.reshape(part.shape)[...] = part
        yield images, matrix
