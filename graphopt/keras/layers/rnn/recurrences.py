"""Loops of known cells, with derivatives by hand.

A rule says what one round does elementwise. `run_recurrence` does the rest: the matmul with the
recurrent kernel, histories, masks, and the loop of the derivative. Each gate has a history of
its own: to join four to one tensor in each round costs more than the rest of the round.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.keras import activations
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros
from graphopt.ops.custom import custom_gradient
from graphopt.ops.elementwise import cast, logical_and, where
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat, expand_dims, reshape
from graphopt.ops.splitting import split
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop
from graphopt.runtime.function import function as compile_function


def _slope_hard_sigmoid(y: Any) -> Any:
    return 0.2 * cast(logical_and(y > 0.0, y < 1.0), y.dtype)


# The derivatives of activations, as functions of their results.
_SLOPES: dict[Any, Callable[[Any], Any]] = {
    activations.get("tanh"): lambda y: 1.0 - y * y,
    activations.get("sigmoid"): lambda y: y * (1.0 - y),
    activations.get("linear"): lambda y: y * 0.0 + 1.0,
    activations.get("relu"): lambda y: cast(y > 0.0, y.dtype),
    activations.get("hard_sigmoid"): _slope_hard_sigmoid,
}


def has_slope(activation: Any) -> bool:
    """Returns whether the derivative of an activation is known from its result."""
    return activation in _SLOPES


class Rule:
    """What one round does, elementwise.

    Attributes:
      kept: How many tensors it keeps, each as wide as a state.
      adds: Whether it only adds x and p, whose derivatives are then the same.
    """

    kept: int
    adds: bool


@dataclass(frozen=True)
class SimpleRule(Rule):
    """h = f(x + h @ kernel).

    Attributes:
      activation: The function f.
    """

    activation: Any

    kept = 0
    adds = True

    def forward(self, x: Any, p: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Returns what is kept of a round, nothing, and the new states."""
        return [], [self.activation(x + p)]

    def backward(
        self, kept: Any, old: Sequence[Any], new: Sequence[Any], gs: Sequence[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """Returns derivatives of x, of p (None: the same), and of the old states."""
        dz = gs[0] * _SLOPES[self.activation](new[0])
        return dz, None, [None]


@dataclass(frozen=True)
class LSTMRule(Rule):
    """i, f, g, o = gates of x + h @ kernel; c = f c + i g; h = o tanh(c).

    Attributes:
      activation: That of g and c, tanh.
      recurrent_activation: That of the gates, a sigmoid.
    """

    activation: Any
    recurrent_activation: Any
    kept = 4
    adds = True

    def forward(self, x: Any, p: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Returns the gates, and the new h and c."""
        i, f, g, o = split(x + p, 4, 1)
        gate = self.recurrent_activation
        i, f, g, o = gate(i), gate(f), self.activation(g), gate(o)
        c = f * states[1] + i * g
        return [i, f, g, o], [o * self.activation(c), c]

    def backward(
        self, kept: Any, old: Sequence[Any], new: Sequence[Any], gs: Sequence[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """Returns derivatives of x, of p (None: the same), and of the old states."""
        i, f, g, o = kept
        dh, dc = gs
        slope, of_gate = _SLOPES[self.activation], _SLOPES[self.recurrent_activation]
        y = self.activation(new[1])
        dc = dc + dh * o * slope(y)
        parts = [
            dc * g * of_gate(i),
            dc * old[1] * of_gate(f),
            dc * i * slope(g),
            dh * y * of_gate(o),
        ]
        return concat(parts, 1), None, [None, dc * f]


@dataclass(frozen=True)
class GRURule(Rule):
    """z, r = gates of x + p; n = f(x + r p); h = z h + (1 - z) n, where p = h @ kernel + bias.

    Attributes:
      activation: That of n, tanh.
      recurrent_activation: That of z and r, a sigmoid.
    """

    activation: Any
    recurrent_activation: Any
    kept = 4
    adds = False

    def forward(self, x: Any, p: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        """Returns the gates with what r multiplies, and the new h."""
        (xz, xr, xn), (pz, pr, pn) = split(x, 3, 1), split(p, 3, 1)
        z = self.recurrent_activation(xz + pz)
        r = self.recurrent_activation(xr + pr)
        n = self.activation(xn + r * pn)
        return [z, r, n, pn], [z * states[0] + (1.0 - z) * n]

    def backward(
        self, kept: Any, old: Sequence[Any], new: Sequence[Any], gs: Sequence[Any]
    ) -> tuple[Any, Any, list[Any]]:
        """Returns derivatives of x, of p, and of the old h but for the matmul."""
        z, r, n, pn = kept
        dh = gs[0]
        slope, of_gate = _SLOPES[self.activation], _SLOPES[self.recurrent_activation]
        dn = dh * (1.0 - z) * slope(n)
        dz = dh * (old[0] - n) * of_gate(z)
        dr = dn * pn * of_gate(r)
        dx, dp = concat([dz, dr, dn], 1), concat([dz, dr, dn * r], 1)
        return dx, dp, [dh * z]


def _array(dtype: Any, steps: Any, like: Any, width: Any) -> TensorArray:
    """An array of `[batch, width]` for each step."""
    batch = like.shape[0] if like.shape[0] is not None else shape_of(like)[0]
    return TensorArray(dtype, flow=zeros([steps, batch, width], dtype))


def _of(tensor: Any) -> TensorArray:
    """An array whose elements are the parts of a tensor."""
    array = TensorArray(tensor.dtype, _steps_of(tensor), clear_after_read=False)
    return array.unstack(tensor)


def _steps_of(tensor: Any) -> Any:
    return tensor.shape[0] if tensor.shape[0] is not None else shape_of(tensor)[0]


def _flat(tensor: Any) -> Any:
    return reshape(tensor, [-1, tensor.shape[-1]])


def run_recurrence(
    rule: Any,
    x: Any,
    states: Sequence[Any],
    kernel: Any,
    bias: Any = None,
    mask: Any = None,
    drop: Any = None,
    keeps_outputs: bool = True,
) -> tuple[Any, list[Any]]:
    """Runs a rule over the steps of sequences.

    Args:
      rule: What a round does.
      x: `[time, batch, width]`, the projected inputs.
      states: The states before the first step, each `[batch, units]`; the first is
        multiplied by the kernel.
      kernel: `[units, width]`.
      bias: `[width]`, added to that product, or None.
      mask: `[time, batch]`, bools: where it is false the states stay; or None.
      drop: `[batch, units]`, what the first state is multiplied by before the kernel; or
        None.
      keeps_outputs: Whether the first states of all steps are wanted.

    Returns:
      These, `[time, batch, units]` (None if they are not wanted), and the states at the end.
    """
    states = [hooks.convert(state) for state in states]
    has_bias, has_drop = bias is not None, drop is not None
    extra = [each for each in (bias, drop) if each is not None]

    def function(x: Any, kernel: Any, *rest: Any) -> Any:
        given = list(rest[: len(states)])
        more = list(rest[len(states) :])
        own_bias = more.pop(0) if has_bias else None
        own_drop = more.pop(0) if has_drop else None
        options = kernel, own_bias, mask, own_drop
        # In eager mode each op of each step would be a call of its own.
        if building_graph() is None:
            forward = _compile("forward", rule, tuple(kernel.shape))
            histories, kept, final = forward(*options, x, given)
        else:
            histories, kept, final = _Run(rule, *options).forward(x, given)
        outputs = [histories[0][1:]] if keeps_outputs else []

        def gradient(*gs: Any) -> Any:
            dout = gs[0] if keeps_outputs else None
            args = histories, kept, dout, list(gs[len(outputs) :])
            if building_graph() is None:
                backward = _compile("backward", rule, tuple(kernel.shape))
                return backward(*options, *args)
            return _Run(rule, *options).backward(*args)

        return [*outputs, *final], gradient

    found = custom_gradient(function)(x, kernel, *states, *extra)
    if keeps_outputs:
        return found[0], list(found[1:])
    return None, list(found)


@functools.lru_cache(maxsize=64)
def _compile(what: str, rule: Any, sizes: tuple[int, ...]) -> Any:
    """A loop of a rule as one compiled function, for eager mode, of any batch and time."""

    def run(kernel: Any, bias: Any, mask: Any, drop: Any, *args: Any) -> Any:
        return getattr(_Run(rule, kernel, bias, mask, drop), what)(*args)

    return compile_function(run, reduce_retracing=True)


class _Run:
    """A loop and that of its derivative."""

    def __init__(self, rule: Any, kernel: Any, bias: Any, mask: Any, drop: Any) -> None:
        self.rule, self.kernel = rule, kernel
        self.bias, self.drop = bias, drop
        self.mask = None if mask is None else _of(expand_dims(mask, -1))

    def _times_kernel(self, h: Any) -> Any:
        p = matmul(h if self.drop is None else h * self.drop, self.kernel)
        return p if self.bias is None else p + self.bias

    def _loop(self, steps: Any, body: Callable[..., Any], variables: Any) -> list[Any]:
        found = while_loop(
            lambda t, *_: t < steps,
            lambda t, *values: [t + 1, *body(t, *values)],
            [hooks.convert(0), *variables],
            maximum_iterations=steps if isinstance(steps, int) else None,
        )
        return list(found[1:])

    def forward(self, x: Any, states: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Returns the histories of the states, what is kept, and the last states.

        A history begins before the first step. What the derivative does not need, where
        there is one, a plan leaves out.
        """
        count, more, dtype = len(states), self.rule.kept, x.dtype
        steps, units = _steps_of(x), self.kernel.shape[0]
        source = _of(x)
        histories = [
            _array(dtype, steps + 1, state, units).write(0, state) for state in states
        ]
        kept = [_array(dtype, steps, states[0], units) for _ in range(more)]

        def body(t: Any, *values: Any) -> list[Any]:
            old, arrays = list(values[:count]), values[count : 2 * count]
            p = self._times_kernel(old[0])
            keep, new = self.rule.forward(source.read(t), p, old)
            if self.mask is not None:
                on = self.mask.read(t)
                new = [where(on, a, b) for a, b in zip(new, old, strict=True)]
            written = [a.write(t + 1, s) for a, s in zip(arrays, new, strict=True)]
            last = zip(values[2 * count :], keep, strict=True)
            return [*new, *written, *(a.write(t, k) for a, k in last)]

        found = self._loop(steps, body, [*states, *histories, *kept])
        arrays = [array.stack() for array in found[count:]]
        return arrays[:count], arrays[count:], found[:count]

    def backward(self, histories: Any, kept: Any, dout: Any, gs: Any) -> list[Any]:
        """Returns the derivatives of x, the kernel, the states and the rest."""
        count, width, dtype = len(gs), self.kernel.shape[1], histories[0].dtype
        steps = _steps_of(histories[0]) - 1
        arrays = [_of(history) for history in histories]
        douts = None if dout is None else _of(dout)
        gates = [_of(each) for each in kept]
        dx = _array(dtype, steps, gs[0], width)
        dps = [] if self.rule.adds else [_array(dtype, steps, gs[0], width)]

        def body(k: Any, *values: Any) -> list[Any]:
            g, dx, dps = list(values[:count]), values[count], list(values[count + 1 :])
            t = steps - 1 - k
            if douts is not None:
                g[0] = g[0] + douts.read(t)
            held: list[Any] = [None] * count
            if self.mask is not None:
                on = self.mask.read(t)
                held = [where(on, 0.0, each) for each in g]
                g = [where(on, each, 0.0) for each in g]
            old = [array.read(t) for array in arrays]
            new = [array.read(t + 1) for array in arrays]
            step = [gate.read(t) for gate in gates]
            d, dp, dold = self.rule.backward(step, old, new, g)
            if dp is not None:
                dps = [dps[0].write(t, dp)]
            to_h = matmul(d if dp is None else dp, self.kernel, transpose_b=True)
            if self.drop is not None:
                to_h = to_h * self.drop
            dold[0] = to_h if dold[0] is None else dold[0] + to_h
            dold = [a if b is None else a + b for a, b in zip(dold, held, strict=True)]
            return [*dold, dx.write(t, d), *dps]

        found = self._loop(steps, body, [*gs, dx, *dps])
        dx = found[count].stack()
        dp = dx if self.rule.adds else found[count + 1].stack()
        before = histories[0][:-1]
        seen = before if self.drop is None else before * self.drop
        dkernel = matmul(_flat(seen), _flat(dp), transpose_a=True)
        more = []
        if self.bias is not None:
            more.append(reduce_sum(dp, [0, 1]))
        if self.drop is not None:
            dh = matmul(_flat(dp), self.kernel, transpose_b=True)
            more.append(reduce_sum(before * reshape(dh, shape_of(before)), 0))
        return [dx, dkernel, *found[:count], *more]
