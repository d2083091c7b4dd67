"""What GRU and LSTM share: forward along a sequence, and backward through time.

Every step needs the one before, so time comes first inside: step t of all samples is a contiguous matrix, and "the
state before each step" is the array of all states but the last, shifted by nothing but its start. What does not depend
on the state is done for all steps at once: the inputs' products before the loop, the gradients of the weights and of
the input after it. A step is one product of the state with all gates' weights, and one tanh over the gates:
sigmoid(a) = (1 + tanh(a / 2)) / 2, so the columns of sigmoid gates are halved before it and mended after it.

Half types: products in their own way, states and gates in float32.
"""

import math
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_product, take_row_sum
from mpitrain.nn.initialise import uniform
from mpitrain.nn.layer import Call, Finished, Layer, Parameter
from mpitrain.ops.half import widened
from mpitrain.ops.matmul import matmul
from mpitrain.ops.rows import as_rows

Array = Any


class Recurrent(Layer):
    """(batch, length, inputs) to (batch, length, hidden), or with `last` to (batch, hidden), the state at the end.

    The state starts from zeros. `gates` matrices lie side by side in `input_weight` (inputs, gates hidden) and
    `state_weight` (hidden, gates hidden); `bias` is (gates hidden,). All start uniform up to 1 / sqrt(hidden) either
    way, as PyTorch's do. The context is x and, for each step, the state and the gates.
    """

    gates: int

    def __init__(self, inputs: int, hidden: int, last: bool = False):
        self.inputs, self.hidden, self.last = inputs, hidden, last

    def parameters(self) -> tuple[Parameter, ...]:
        start, columns = uniform(1 / math.sqrt(self.hidden)), self.gates * self.hidden
        return (
            Parameter("input_weight", (self.inputs, columns), start),
            Parameter("state_weight", (self.hidden, columns), start),
            Parameter("bias", (columns,), start),
        )

    def flops(self, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> float:
        return 2 * self.gates * self.hidden * (self.inputs + self.hidden) * math.prod(x_shape[:2])

    def forward(self, x: Array, call: Call) -> tuple[Array, Any]:
        batch, length, _ = x.shape
        xp, steps = namespace(x), time_first(x)
        gates = empty((length, batch, self.gates * self.hidden), x.dtype, xp)
        matmul(as_rows(steps), self.values["input_weight"], out=as_rows(gates))
        gates = widened(gates)
        gates += self.values["bias"]
        states = empty((length + 1, batch, self.hidden), gates.dtype, xp)
        states[0] = 0
        kept = self._run(gates, states, widened(self.values["state_weight"]))
        y = states[-1] if self.last else states[1:].swapaxes(0, 1)
        return xp.ascontiguousarray(y.astype(x.dtype, copy=False)), (x, states, gates, kept)

    def backward(
        self,
        context: Any,
        dy: Array,
        accumulate: bool = False,
        finished: Finished | None = None,
        input_gradient: bool = True,
    ) -> Array | None:
        """As in `Layer`; both halves want the gradients of the gates, which are computed once for them."""
        gradients = self._gate_gradients(context, dy)
        self._take_weights(context, gradients, accumulate)
        if finished is not None:
            finished("")
        return self._input_gradient(context, gradients) if input_gradient else None

    def backward_input(self, context: Any, dy: Array) -> Array:
        return self._input_gradient(context, self._gate_gradients(context, dy))

    def backward_weights(self, context: Any, dy: Array, accumulate: bool = False) -> None:
        self._take_weights(context, self._gate_gradients(context, dy), accumulate)

    def _run(self, gates: Array, states: Array, weight: Array) -> Array:
        """Fill states[1:]. `gates` come as the inputs' part and become what they are; returns what else to keep."""
        raise NotImplementedError

    def _run_back(self, context: Any, slopes: Array, weight: Array) -> tuple[Array, Array]:
        """Gradients of the gates before their nonlinearity, (length, batch, gates hidden): of the inputs' part, and of
        the states'. `slopes` (length, batch, hidden) are those of the states as the loss sees them directly."""
        raise NotImplementedError

    def _gate_gradients(self, context: Any, dy: Array) -> tuple[Array, Array]:
        x, states, *_ = context
        if self.last:
            slopes = namespace(dy).zeros(states[1:].shape, states.dtype)
            slopes[-1:] = dy
        else:
            slopes = widened(time_first(dy))
        of_inputs, of_states = self._run_back(context, slopes, widened(self.values["state_weight"]).T)
        return of_inputs.astype(x.dtype, copy=False), of_states.astype(x.dtype, copy=False)

    def _input_gradient(self, context: Any, gradients: tuple[Array, Array]) -> Array:
        of_inputs, _ = gradients
        xp = namespace(of_inputs)
        dx = empty((*of_inputs.shape[:2], self.inputs), of_inputs.dtype, xp)
        matmul(as_rows(of_inputs), self.values["input_weight"].T, out=as_rows(dx))
        return time_first(dx)

    def _take_weights(self, context: Any, gradients: tuple[Array, Array], accumulate: bool) -> None:
        x, states, *_ = context
        of_inputs, of_states = map(as_rows, gradients)
        before = as_rows(states[:-1]).astype(x.dtype, copy=False)
        for name, a, b in (("input_weight", as_rows(time_first(x)), of_inputs), ("state_weight", before, of_states)):
            take_product(self.gradients[name], a.T, b, self.adds(name, accumulate))
        take_row_sum(self.gradients["bias"], of_inputs, self.adds("bias", accumulate))


def squash(gates: Array, sigmoids: int) -> None:
    """In place: sigmoid of so many columns from the left, tanh of the others."""
    xp = namespace(gates)
    left = gates[:, :sigmoids]
    left *= 0.5
    xp.tanh(gates, out=gates)
    left *= 0.5
    left += 0.5


def unsquash(gates: Array, slopes: Array, sigmoids: int) -> None:
    """In place: gradients of what `squash` was given, from those of what it made, `gates`."""
    left, right = gates[:, :sigmoids], gates[:, sigmoids : slopes.shape[1]]
    slopes[:, :sigmoids] *= left * (1 - left)
    slopes[:, sigmoids:] *= 1 - right * right


def columns(gates: Array, hidden: int) -> list[Array]:
    """Each gate's columns."""
    return [gates[:, start : start + hidden] for start in range(0, gates.shape[1], hidden)]


def time_first(array: Array) -> Array:
    """(batch, length, width) as (length, batch, width) or back, contiguous."""
    return namespace(array).ascontiguousarray(array.swapaxes(0, 1))
