"""The gated recurrent unit."""

import math
from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.gradient import take_row_sum
from mpitrain.nn.initialise import uniform
from mpitrain.nn.layer import Parameter
from mpitrain.nn.recurrent import Recurrent, columns, squash, unsquash
from mpitrain.ops.matmul import matmul
from mpitrain.ops.rows import as_rows

Array = Any


class GRU(Recurrent):
    """The gated recurrent unit (Cho et al. 2014), PyTorch's formulas:

        r, z = sigmoid(W x + U h + b)    n = tanh(W x + b + r (U h + d))    h' = (1 - z) n + z h

    Gates lie in the order r, z, n. `state_bias` (hidden,) is d; the biases of PyTorch's other two products would only
    add to b.
    """

    gates = 3

    def parameters(self) -> tuple[Parameter, ...]:
        start = uniform(1 / math.sqrt(self.hidden))
        return (*super().parameters(), Parameter("state_bias", (self.hidden,), start))

    def _run(self, gates: Array, states: Array, weight: Array) -> Array:
        xp, hidden = namespace(gates), self.hidden
        offers = empty(states[1:].shape, states.dtype, xp)  # U h + d, before the gate r lets it in
        product = empty(gates.shape[1:], gates.dtype, xp)
        for now, before, after, offer in zip(gates, states, states[1:], offers, strict=False):
            matmul(before, weight, out=product)
            now[:, : 2 * hidden] += product[:, : 2 * hidden]
            xp.add(product[:, 2 * hidden :], self.values["state_bias"], out=offer)
            squash(now[:, : 2 * hidden], sigmoids=2 * hidden)
            r, z, n = columns(now, hidden)
            n += r * offer
            xp.tanh(n, out=n)
            xp.subtract(before, n, out=after)
            after *= z
            after += n
        return offers

    def _run_back(self, context: Any, slopes: Array, weight: Array) -> tuple[Array, Array]:
        _, states, gates, offers = context
        xp, hidden = namespace(gates), self.hidden
        of_inputs, of_states = (empty(gates.shape, gates.dtype, xp) for _ in range(2))
        of_state = xp.zeros(states.shape[1:], states.dtype)
        product = empty(of_state.shape, of_state.dtype, xp)
        for t in reversed(range(len(gates))):
            r, z, n = columns(gates[t], hidden)
            dr, dz, dn = columns(of_inputs[t], hidden)
            of_state += slopes[t]
            xp.multiply(of_state, states[t] - n, out=dz)
            xp.multiply(of_state, (1 - z) * (1 - n * n), out=dn)
            xp.multiply(dn, offers[t], out=dr)
            unsquash(gates[t], of_inputs[t, :, : 2 * hidden], sigmoids=2 * hidden)
            of_states[t] = of_inputs[t]
            of_states[t, :, 2 * hidden :] *= r
            of_state *= z
            of_state += matmul(of_states[t], weight, out=product)
        return of_inputs, of_states

    def _take_weights(self, context: Any, gradients: tuple[Array, Array], accumulate: bool) -> None:
        super()._take_weights(context, gradients, accumulate)
        _, of_states = gradients
        columns = as_rows(of_states)[:, 2 * self.hidden :]
        take_row_sum(self.gradients["state_bias"], columns, self.adds("state_bias", accumulate))
