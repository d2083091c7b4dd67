"""Multi-head self-attention (Vaswani et al. 2017): every position takes from those that it may see."""

import math
from collections.abc import Callable
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_product, take_row_sum
from mpitrain.nn.initialise import lecun_normal, zeros
from mpitrain.nn.layer import Array, Call, Finished, Layer, Parameter
from mpitrain.ops.attention import attention, attention_backward
from mpitrain.ops.bias_activation import bias_activation
from mpitrain.ops.matmul import matmul
from mpitrain.ops.rotary import rotate
from mpitrain.ops.rows import as_rows


class Attention(Layer):
    """(batch, length, width) to the same, by `heads` heads of width / heads.

    `qkv.weight` (width, 3 width) makes queries, keys and values, each head after head; `out.weight` (width, width)
    mixes what the heads bring, and may start by an `initialise_out` of its own. `causal`: a position sees none behind
    it. `rotary`: the base of rotary positions (10000 in the paper), or None. What `Call.mask` says is padding is seen
    by no position.

    Keeps its input, queries, keys and values, the heads' results, and a number for each head and position: 5 width +
    heads numbers a position, however long the sequence.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        causal: bool = False,
        rotary: float | None = None,
        bias: bool = True,
        initialise: Callable[..., Array] = lecun_normal,
        initialise_out: Callable[..., Array] | None = None,
    ):
        if heads < 1 or width % heads:
            raise ValueError(f"a width of {width} cannot be shared by {heads} heads: expected a divisor")
        if rotary is not None and width // heads % 2:
            raise ValueError(f"rotary positions turn pairs of numbers, found heads of width {width // heads}")
        self.width, self.heads, self.causal, self.rotary = width, heads, causal, rotary
        self.with_bias, self.initialise = bias, initialise
        self.initialise_out = initialise if initialise_out is None else initialise_out
        self.scale = 1 / math.sqrt(width // heads)

    def parameters(self) -> tuple[Parameter, ...]:
        every = (
            Parameter("qkv.weight", (self.width, 3 * self.width), self.initialise),
            Parameter("qkv.bias", (3 * self.width,), zeros),
            Parameter("out.weight", (self.width, self.width), self.initialise_out),
            Parameter("out.bias", (self.width,), zeros),
        )
        return every if self.with_bias else every[::2]

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        length, numbers = x_shape[1], math.prod(x_shape)
        seen = (length + 1) / 2 if self.causal else length
        return numbers * (8 * self.width + 4 * seen)

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        if x.ndim != 3 or x.shape[2] != self.width:
            raise ValueError(f"expected an input (batch, length, {self.width}), found {x.shape}")
        rows = as_rows(x)
        qkv = self._product(rows, "qkv")
        q, k, v = self._split(qkv, x.shape)
        if self.rotary is not None:
            rotate(self._turned(qkv, x.shape), self.rotary)
        mixed, logsumexp = attention(q, k, v, self.scale, self.causal, call.mask)
        y = self._product(mixed.reshape(rows.shape), "out")
        return y.reshape(x.shape), (rows, qkv, mixed, logsumexp, call.mask)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`; the halves share the backward of the attention proper."""
        dqkv = self._slope_of_qkv(context, dy)
        self._take(context, dqkv, dy, accumulate)
        if finished is not None:
            finished("")
        return self._slope_of_x(dqkv, dy) if input_gradient else None

    def backward_input(self, context: Any, dy: Array) -> Array:
        return self._slope_of_x(self._slope_of_qkv(context, dy), dy)

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        self._take(context, self._slope_of_qkv(context, dy), dy, accumulate)

    def _slope_of_qkv(self, context: Any, dy: Array) -> Array:
        _, qkv, mixed, logsumexp, mask = context
        dmixed = self._back(dy.reshape(len(qkv), self.width), "out").reshape(mixed.shape)
        dqkv = empty(qkv.shape, dy.dtype, namespace(dy))
        attention_backward(
            *self._split(qkv, dy.shape), mixed, logsumexp, dmixed, self._split(dqkv, dy.shape),
            self.scale, self.causal, mask,
        )  # fmt: skip
        if self.rotary is not None:
            rotate(self._turned(dqkv, dy.shape), self.rotary, back=True)
        return dqkv

    def _slope_of_x(self, dqkv: Array, dy: Array) -> Array:
        return self._back(dqkv, "qkv").reshape(dy.shape)

    def _take(self, context: Any, dqkv: Array, dy: Array, accumulate: bool) -> None:
        rows, _, mixed, *_ = context
        mixed, dy = mixed.reshape(rows.shape), dy.reshape(rows.shape)
        for name, inputs, slope in (("qkv", rows, dqkv), ("out", mixed, dy)):
            weight, bias = f"{name}.weight", f"{name}.bias"
            take_product(self.gradients[weight], inputs.T, slope, self.adds(weight, accumulate))
            if self.with_bias:
                take_row_sum(self.gradients[bias], slope, self.adds(bias, accumulate))

    def _product(self, rows: Array, name: str) -> Array:
        weight = self.values[f"{name}.weight"]
        y = matmul(rows, weight, out=empty((len(rows), weight.shape[1]), rows.dtype, namespace(rows)))
        if self.with_bias:
            bias_activation(y, self.values[f"{name}.bias"], "identity", out=y)
        return y

    def _back(self, slope: Array, name: str) -> Array:
        """The gradient of what `_product` took."""
        weight = self.values[f"{name}.weight"]
        return matmul(slope, weight.T, out=empty((len(slope), self.width), slope.dtype, namespace(slope)))

    def _split(self, qkv: Array, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
        """Views of queries, keys and values, (batch, length, heads, width of a head)."""
        parts = qkv.reshape(*shape[:2], 3, self.heads, self.width // self.heads)
        return parts[:, :, 0], parts[:, :, 1], parts[:, :, 2]

    def _turned(self, qkv: Array, shape: tuple[int, ...]) -> Array:
        """A view of all queries and keys, which turn alike: as if there were twice as many heads."""
        parts = qkv.reshape(*shape[:2], 3 * self.heads, self.width // self.heads)
        return parts[:, :, : 2 * self.heads]
