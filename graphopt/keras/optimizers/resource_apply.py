"""The kernels of TensorFlow's optimizers by name: `tf.raw_ops.ResourceApply*`.

Optimizers that are not TensorFlow's own call these in `_resource_apply_dense` and
`_resource_apply_sparse`. Each is one equation on the values of a variable and its slots,
put to work as those of graphopt's optimizers are, so that it becomes one kernel too.

Sparse forms change the rows that `indices` names. Where TensorFlow takes equal indices one
after the other, their gradients are summed here, as optimizers do before they call them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.keras.optimizers.updates import Rows, apply_equation, rows_of
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import (
    abs,
    exp,
    greater,
    maximum,
    pow,
    rsqrt,
    sign,
    sqrt,
    square,
    where,
)
from graphopt.runtime.variable import Variable, variable_of_handle

Slots = dict[str, Any]
_REQUIRED = inspect.Parameter.empty
_COMMON: Slots = {"use_locking": False, "name": None}


def _gradient_descent(w: Any, g: Any, alpha: Any) -> tuple[Any, Slots]:
    return w - alpha * g, {}


def _momentum(
    w: Any, g: Any, accum: Any, *, lr: Any, momentum: Any, use_nesterov: bool
) -> tuple[Any, Slots]:
    a = momentum * accum + g
    step = lr * g + lr * (momentum * a) if use_nesterov else lr * a
    return w - step, {"accum": a}


def _keras_momentum(
    w: Any, g: Any, accum: Any, *, lr: Any, momentum: Any, use_nesterov: bool
) -> tuple[Any, Slots]:
    a = momentum * accum - lr * g
    return w + (momentum * a - lr * g if use_nesterov else a), {"accum": a}


def _moments(g: Any, m: Any, v: Any, beta1: Any, beta2: Any) -> tuple[Any, Any]:
    return m + (g - m) * (1.0 - beta1), v + (square(g) - v) * (1.0 - beta2)


def _adam(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    vhat: Any = None,
    *,
    beta1_power: Any,
    beta2_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    use_nesterov: bool = False,
) -> tuple[Any, Slots]:
    m, v = _moments(g, m, v, beta1, beta2)
    alpha = lr * sqrt(1.0 - beta2_power) / (1.0 - beta1_power)
    slots = {"m": m, "v": v}
    if vhat is not None:
        v = slots["vhat"] = maximum(vhat, v)
    ahead = g * (1.0 - beta1) + beta1 * m if use_nesterov else m
    return w - ahead * alpha / (sqrt(v) + epsilon), slots


def _adagrad(
    w: Any,
    g: Any,
    accum: Any,
    *,
    lr: Any,
    epsilon: Any = None,
    update_slots: bool = True,
) -> tuple[Any, Slots]:
    n = accum + square(g) if update_slots else accum
    step = lr * g * rsqrt(n) if epsilon is None else lr * g / (sqrt(n) + epsilon)
    return w - step, {"accum": n} if update_slots else {}


def _adadelta(
    w: Any, g: Any, accum: Any, accum_update: Any, *, lr: Any, rho: Any, epsilon: Any
) -> tuple[Any, Slots]:
    n = accum * rho + square(g) * (1.0 - rho)
    u = sqrt(accum_update + epsilon) * rsqrt(n + epsilon) * g
    d = accum_update * rho + square(u) * (1.0 - rho)
    return w - u * lr, {"accum": n, "accum_update": d}


def _ada_max(
    w: Any,
    g: Any,
    m: Any,
    v: Any,
    *,
    beta1_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
) -> tuple[Any, Slots]:
    m = m + (g - m) * (1.0 - beta1)
    v = maximum(beta2 * v, abs(g))
    return w - lr / (1.0 - beta1_power) * (m / (v + epsilon)), {"m": m, "v": v}


def _rms_prop(
    w: Any,
    g: Any,
    ms: Any,
    mom: Any,
    mg: Any = None,
    *,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
) -> tuple[Any, Slots]:
    r = ms + (square(g) - ms) * (1.0 - rho)
    slots, spread = {"ms": r}, r
    if mg is not None:
        q = slots["mg"] = mg + (g - mg) * (1.0 - rho)
        spread = r - square(q)
    p = slots["mom"] = mom * momentum + lr * g * rsqrt(spread + epsilon)
    return w - p, slots


def _ftrl(
    w: Any,
    g: Any,
    accum: Any,
    linear: Any,
    *,
    lr: Any,
    l1: Any,
    l2: Any,
    lr_power: Any,
    l2_shrinkage: Any = None,
    multiply_linear_by_lr: bool = False,
) -> tuple[Any, Slots]:
    n = accum + square(g)
    before, after = pow(accum, -lr_power), pow(n, -lr_power)
    shrunk = g if l2_shrinkage is None else g + 2.0 * l2_shrinkage * w
    if multiply_linear_by_lr:
        z = linear + shrunk * lr - (after - before) * w
        limit, quadratic = l1 * lr, after + 2.0 * l2 * lr
    else:
        z = linear + shrunk - (after - before) / lr * w
        limit, quadratic = l1, after / lr + 2.0 * l2
    new = where(
        greater(abs(z), limit), (sign(z) * limit - z) / quadratic, zeros_like(z)
    )
    return new, {"accum": n, "linear": z}


def _shrunk(x: Any, limit: Any, divisor: Any) -> Any:
    """The proximal step: towards zero by a limit, and by a divisor."""
    return sign(x) * maximum(abs(x) - limit, zeros_like(x)) / divisor


def _proximal_gradient_descent(
    w: Any, g: Any, *, alpha: Any, l1: Any, l2: Any
) -> tuple[Any, Slots]:
    return _shrunk(w - alpha * g, alpha * l1, 1.0 + alpha * l2), {}


def _proximal_adagrad(
    w: Any, g: Any, accum: Any, *, lr: Any, l1: Any, l2: Any
) -> tuple[Any, Slots]:
    n = accum + square(g)
    rate = lr * rsqrt(n)
    return _shrunk(w - rate * g, rate * l1, 1.0 + rate * l2), {"accum": n}


def _adagrad_da(
    w: Any,
    g: Any,
    gradient_accumulator: Any,
    gradient_squared_accumulator: Any,
    *,
    lr: Any,
    l1: Any,
    l2: Any,
    global_step: Any,
) -> tuple[Any, Slots]:
    total = gradient_accumulator + g
    squares = gradient_squared_accumulator + square(g)
    divisor = l2 * global_step * lr + sqrt(squares)
    return -lr * _shrunk(total, l1 * global_step, divisor), {
        "gradient_accumulator": total,
        "gradient_squared_accumulator": squares,
    }


def _add_sign(
    w: Any, g: Any, m: Any, *, lr: Any, alpha: Any, sign_decay: Any, beta: Any
) -> tuple[Any, Slots]:
    m = m * beta + g * (1.0 - beta)
    return w - lr * (alpha + sign_decay * (sign(g) * sign(m))) * g, {"m": m}


def _power_sign(
    w: Any, g: Any, m: Any, *, lr: Any, logbase: Any, sign_decay: Any, beta: Any
) -> tuple[Any, Slots]:
    m = m * beta + g * (1.0 - beta)
    return w - lr * exp(logbase * sign_decay * (sign(g) * sign(m))) * g, {"m": m}


class Kernel(NamedTuple):
    """One of TensorFlow's kernels.

    Attributes:
      equation: `(w, g, **slots, **scalars, **options)`, as `Optimizer.update`.
      slots: The slots that it changes.
      scalars: The numbers of the step.
      options: What decides the equation, with defaults.
      gradient: What the gradient is called.
      sparse: Whether it has a form for rows.
    """

    equation: Callable[..., tuple[Any, Slots]]
    slots: tuple[str, ...]
    scalars: tuple[str, ...]
    options: Slots
    gradient: str = "grad"
    sparse: bool = True

    def arguments(self, sparse: bool) -> tuple[str, ...]:
        """Returns the arguments without a default."""
        rows = ("indices",) if sparse else ()
        return ("var", *self.slots, *self.scalars, self.gradient, *rows)


_NESTEROV: Slots = {"use_nesterov": False}
_POWERS = ("beta1_power", "beta2_power", "lr", "beta1", "beta2", "epsilon")
_RMS = ("lr", "rho", "momentum", "epsilon")
_RATES = ("lr", "l1", "l2", "lr_power")
_SHRUNK = ("lr", "l1", "l2", "l2_shrinkage", "lr_power")
_LINEAR: Slots = {"multiply_linear_by_lr": False}
_UPDATES: Slots = {"update_slots": True}

KERNELS: dict[str, Kernel] = {
    "GradientDescent": Kernel(
        _gradient_descent, (), ("alpha",), {}, "delta", sparse=False
    ),
    "Momentum": Kernel(_momentum, ("accum",), ("lr", "momentum"), _NESTEROV),
    "KerasMomentum": Kernel(_keras_momentum, ("accum",), ("lr", "momentum"), _NESTEROV),
    "Adam": Kernel(_adam, ("m", "v"), _POWERS, _NESTEROV, sparse=False),
    "AdamWithAmsgrad": Kernel(_adam, ("m", "v", "vhat"), _POWERS, {}, sparse=False),
    "Adagrad": Kernel(_adagrad, ("accum",), ("lr",), _UPDATES),
    "AdagradV2": Kernel(_adagrad, ("accum",), ("lr", "epsilon"), _UPDATES),
    "Adadelta": Kernel(
        _adadelta, ("accum", "accum_update"), ("lr", "rho", "epsilon"), {}
    ),
    "AdaMax": Kernel(
        _ada_max,
        ("m", "v"),
        ("beta1_power", "lr", "beta1", "beta2", "epsilon"),
        {},
        sparse=False,
    ),
    "RMSProp": Kernel(_rms_prop, ("ms", "mom"), _RMS, {}),
    "CenteredRMSProp": Kernel(_rms_prop, ("mg", "ms", "mom"), _RMS, {}),
    "Ftrl": Kernel(_ftrl, ("accum", "linear"), _RATES, _LINEAR),
    "FtrlV2": Kernel(_ftrl, ("accum", "linear"), _SHRUNK, _LINEAR),
    "ProximalGradientDescent": Kernel(
        _proximal_gradient_descent, (), ("alpha", "l1", "l2"), {}, "delta"
    ),
    "ProximalAdagrad": Kernel(_proximal_adagrad, ("accum",), ("lr", "l1", "l2"), {}),
    "AdagradDA": Kernel(
        _adagrad_da,
        ("gradient_accumulator", "gradient_squared_accumulator"),
        ("lr", "l1", "l2", "global_step"),
        {},
    ),
    "AddSign": Kernel(
        _add_sign, ("m",), ("lr", "alpha", "sign_decay", "beta"), {}, sparse=False
    ),
    "PowerSign": Kernel(
        _power_sign, ("m",), ("lr", "logbase", "sign_decay", "beta"), {}, sparse=False
    ),
}
# TensorFlow's form of this one for rows calls the gradient otherwise.
_SPARSE_GRADIENT = {"ProximalGradientDescent": "grad"}


def _signature(required: Sequence[str], options: Slots) -> inspect.Signature:
    defaults = {name: _REQUIRED for name in required} | options
    return inspect.Signature(
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
            for name, default in defaults.items()
        ]
    )


def _make(name: str, kernel: Kernel, sparse: bool) -> Callable[..., Any]:
    """Makes the public function of one kernel."""
    full = f"Resource{'Sparse' if sparse else ''}Apply{name}"
    options = {**_COMMON, **kernel.options}
    signature = _signature(kernel.arguments(sparse), options)

    def apply(**given: Any) -> Any:
        try:
            bound = signature.bind(**given)
        except TypeError as error:
            raise TypeError(
                f"{full}: {error}; expected the keywords "
                f"{', '.join(signature.parameters)}."
            ) from None
        bound.apply_defaults()
        return _run(kernel, bound.arguments, sparse)

    apply.__name__ = apply.__qualname__ = full
    apply.__signature__ = signature  # type: ignore[attr-defined]
    rows = "the rows `indices` of " if sparse else ""
    apply.__doc__ = (
        f"Updates {rows}a variable and its slots by the equation of {name}.\n\n"
        "    Takes keywords only: handles of variables (`var.handle`) or the variables,\n"
        "    numbers or tensors of their dtype, and the gradient. Returns an op in a\n"
        "    graph, None in eager mode.\n\n"
        f"    Source: `tf.raw_ops.{full}`."
    )
    return apply


def _run(kernel: Kernel, given: dict[str, Any], sparse: bool) -> Any:
    var = variable_of_handle(given["var"])
    slots = {name: variable_of_handle(given[name]) for name in kernel.slots}
    scalars = {n: hooks.convert(given[n], dtype_hint=var.dtype) for n in kernel.scalars}
    options = {name: bool(given[name]) for name in kernel.options}
    grad = hooks.convert(given[kernel.gradient], dtype_hint=var.dtype)
    if sparse:
        rows = rows_of(IndexedSlices(grad, given["indices"], var.shape), var, "touched")
    else:
        rows = Rows(grad)
    return apply_equation(kernel.equation, var, slots, rows, {**scalars, **options})


def _scatter(option: str) -> Callable[..., Any]:
    full = f"ResourceScatter{option.capitalize()}"

    def scatter(*, resource: Any, indices: Any, updates: Any, name: Any = None) -> Any:
        variable = variable_of_handle(resource)
        rows = IndexedSlices(
            hooks.convert(updates, dtype_hint=variable.dtype),
            hooks.convert(indices),
            variable.shape,
        )
        method = getattr(variable, f"scatter_{option}")
        return _as_op(method(rows, name=name, read_value=False))

    scatter.__name__ = scatter.__qualname__ = full
    scatter.__doc__ = (
        f"Changes rows of a variable, as `Variable.scatter_{option}`.\n\n"
        f"    Source: `tf.raw_ops.{full}`."
    )
    return scatter


def _assignment(method: str, full: str) -> Callable[..., Any]:
    def assign(*, resource: Any, value: Any, name: Any = None) -> Any:
        change = getattr(variable_of_handle(resource), method)
        return _as_op(change(value, name=name, read_value=False))

    assign.__name__ = assign.__qualname__ = full
    assign.__doc__ = (
        f"Changes a variable, as `Variable.{method}`.\n\n"
        f"    Source: `tf.raw_ops.{full}`."
    )
    return assign


def _as_op(changed: Any) -> Any:
    """In eager mode a raw op returns nothing."""
    return None if isinstance(changed, Variable) else changed


def read_variable(*, resource: Any, dtype: Any = None, name: Any = None) -> Any:
    """Returns the value of a variable.

    Source: `tf.raw_ops.ReadVariableOp`.
    """
    return variable_of_handle(resource).read_value()


def _all() -> dict[str, Callable[..., Any]]:
    made: dict[str, Callable[..., Any]] = {"ReadVariableOp": read_variable}
    for name, kernel in KERNELS.items():
        made[f"ResourceApply{name}"] = _make(name, kernel, sparse=False)
        if kernel.sparse:
            renamed = kernel._replace(
                gradient=_SPARSE_GRADIENT.get(name, kernel.gradient)
            )
            made[f"ResourceSparseApply{name}"] = _make(name, renamed, sparse=True)
    for option in ("add", "sub", "mul", "div", "min", "max", "update"):
        made[f"ResourceScatter{option.capitalize()}"] = _scatter(option)
    for method in ("assign", "assign_add", "assign_sub"):
        suffix = method.removeprefix("assign").removeprefix("_").capitalize()
        full = f"Assign{suffix}VariableOp"
        made[full] = _assignment(method, full)
    return made


OPS = _all()
