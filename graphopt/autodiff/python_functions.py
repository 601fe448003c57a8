"""`tf.py_function`: a Python function on eager tensors as a differentiable op.

The derivative is another such op: it runs the function again under a tape. Since that
is a Python function on eager tensors too, every order works without a rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect, Host, OpSpec, Sample, register
from graphopt.graph.tensor import EagerTensor
from graphopt.ops.host import (
    REASON,
    as_promised,
    call_python,
    infer_python,
    list_results,
    run_python,
)


def _compute(
    *arrays: NDArray[Any], function: Any, types: tuple[DType, ...], **_: Any
) -> Any:
    tensors = [EagerTensor(np.array(array)) for array in arrays]
    return run_python(lambda: function(*tensors), types)


def _vjp(g: Any, y: Any, *inputs: Any, function: Any, **attrs: Any) -> Any:
    given = g if isinstance(g, tuple) else (g,)
    known = [i for i, part in enumerate(given) if part is not None]
    wanted = [i for i, x in enumerate(inputs) if x.dtype.is_differentiable]
    count = len(inputs)

    def backward(*arguments: Any) -> list[Any]:
        tensors = arguments[:count]
        sources = [tensors[i] for i in wanted]
        with GradientTape() as tape:
            tape.watch(sources)
            results = function(*tensors)
            listed = results if isinstance(results, (list, tuple)) else [results]
        targets = [listed[i] for i in known]
        found: list[Any] = tape.gradient(
            targets, sources, list(arguments[count:]), "zero"
        )
        return found

    parts = call_all(
        EAGER_PY_FUNC,
        *inputs,
        *(given[i] for i in known),
        function=backward,
        types=tuple(inputs[i].dtype for i in wanted),
        shapes=tuple(inputs[i].shape for i in wanted),
    )
    by_input = dict(zip(wanted, parts, strict=True))
    return tuple(by_input.get(i) for i in range(count))


EAGER_PY_FUNC: OpSpec = register(
    OpSpec(
        "EagerPyFunc",
        infer_python,
        _compute,
        _vjp,
        Host(REASON),
        lambda: [
            Sample((np.ones(2),), {"function": lambda x: x, "types": (dtypes.float64,)})
        ],
        types=("any",),
        effect=Effect.HOST,
        outputs=-1,
        holomorphic=False,
        untrusted="calls Python",
    )
)


def py_function(
    func: Callable[..., Any],
    inp: Sequence[Any],
    Tout: Any,
    name: str | None = None,
) -> Any:
    """Calls a Python function of eager tensors as an op that can be differentiated.

    Args:
      func: Takes an eager tensor for each input, returns a tensor or a list of them.
      inp: Tensors.
      Tout: The dtype of the result, or a list of dtypes.
      name: Name of the op.

    Raises:
      InvalidArgumentError: When it runs: the function raised, or returned something
        else than it promised.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.constant(3.0)
    ...     y = tf.py_function(lambda v: v * v, [x], tf.float32)
    ...     with tf.compat.v1.Session() as session:
    ...         [float(v) for v in session.run([y, *tf.gradients(y, x)])]
    [9.0, 6.0]

    Source: `tf.py_function`.
    """
    if building_graph() is not None:
        inputs = [hooks.convert(x) for x in inp]
        return call_python(EAGER_PY_FUNC, func, inputs, Tout, name)
    results = func(*(hooks.convert(x) for x in inp))
    is_list = isinstance(Tout, (list, tuple))
    types = [as_dtype(t) for t in (Tout if is_list else [Tout])]
    if not types:
        return None
    tensors = [
        _promise(result, dtype, i)
        for i, (result, dtype) in enumerate(
            zip(list_results(results, len(types)), types, strict=True)
        )
    ]
    return tensors if is_list else tensors[0]


def _promise(result: Any, dtype: DType, index: int) -> Any:
    """A tensor as it is, which a tape may watch, if it has the dtype."""
    if hasattr(result, "_as_tensor"):
        result = hooks.convert(result)
    if isinstance(result, EagerTensor) and result.dtype is dtype:
        return result
    return hooks.convert(as_promised(result, dtype, index))
