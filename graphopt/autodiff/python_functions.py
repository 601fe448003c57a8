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
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor
from graphopt.ops.elementwise import cast
from graphopt.ops.host import REASON, call_python, infer_python, run_python


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
    if not isinstance(Tout, (list, tuple)):
        return _promised(results, Tout)
    if not Tout:
        return None
    listed = results if isinstance(results, (list, tuple)) else [results]
    return [_promised(r, t) for r, t in zip(listed, Tout, strict=True)]


def _promised(result: Any, dtype: Any) -> Any:
    tensor = hooks.convert(result)
    if tensor.dtype is as_dtype(dtype):
        return tensor
    if not hasattr(result, "dtype"):
        return cast(tensor, dtype)
    raise fail(
        InvalidArgumentError,
        "A Python function returned another dtype than Tout says",
        got=tensor.dtype.name,
        expected=as_dtype(dtype).name,
        site=str(user_site()),
    )
