"""Long short-term memory."""

from typing import Any

from mpitrain.array import namespace
from mpitrain.memory import empty
from mpitrain.nn.recurrent import Recurrent, columns, squash, unsquash
from mpitrain.ops.matmul import matmul

Array = Any


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; the forget gate of Gers et al. 2000), PyTorch's formulas:

        i, f, o = sigmoid(W x + U h + b)    g = tanh(W x + U h + b)    c' = f c + i g    h' = o tanh(c')

    Gates lie in the order i, f, o, g.
    """

    gates = 4

    def _run(self, gates: Array, states: Array, weight: Array) -> Array:
        xp, hidden = namespace(gates), self.hidden
        cells = empty(states.shape, states.dtype, xp)
        cells[0] = 0
        product = empty(gates.shape[1:], gates.dtype, xp)
        for now, before, after, cell, new_cell in zip(gates, states, states[1:], cells, cells[1:], strict=False):
            now += matmul(before, weight, out=product)
            squash(now, sigmoids=3 * hidden)
            i, f, o, g = columns(now, hidden)
            xp.multiply(f, cell, out=new_cell)
            new_cell += i * g
            xp.tanh(new_cell, out=after)
            after *= o
        return cells

    def _run_back(self, context: Any, slopes: Array, weight: Array) -> tuple[Array, Array]:
        _, states, gates, cells = context
        xp, hidden = namespace(gates), self.hidden
        gradients = empty(gates.shape, gates.dtype, xp)
        of_state, of_cell = (xp.zeros(states.shape[1:], states.dtype) for _ in range(2))
        for t in reversed(range(len(gates))):
            i, f, o, g = columns(gates[t], hidden)
            di, df, do, dg = columns(gradients[t], hidden)
            of_state += slopes[t]
            bent = xp.tanh(cells[t + 1])
            xp.multiply(of_state, bent, out=do)
            of_cell += of_state * o * (1 - bent * bent)
            xp.multiply(of_cell, g, out=di)
            xp.multiply(of_cell, cells[t], out=df)
            xp.multiply(of_cell, i, out=dg)
            of_cell *= f
            unsquash(gates[t], gradients[t], sigmoids=3 * hidden)
            matmul(gradients[t], weight, out=of_state)
        return gradients, gradients
