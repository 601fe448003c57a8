"""`gradients(ys, xs)`: symbolic derivatives in the current graph."""

from __future__ import annotations

import contextlib
import enum
import math
from typing import Any

from graphopt.autodiff.cotangents import walk_cotangents
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.graph import Graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import ones_like, zeros, zeros_like
from graphopt.ops.indexing import gather
from graphopt.ops.shaping import reshape, stack


class UnconnectedGradients(enum.Enum):
    """What stands for the gradient by something that does not matter.

    Source: `tf.UnconnectedGradients`.
    """

    NONE = "none"
    ZERO = "zero"


def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: Any = None,
    stop_gradients: Any = None,
    unconnected_gradients: Any = UnconnectedGradients.NONE,
) -> list[Any]:
    """Adds ops that compute the derivatives of sum(ys) by each of `xs`.

    Args:
      ys: Tensor or list of tensors.
      xs: Tensor, variable or list of them.
      grad_ys: Cotangents of `ys`; by default ones.
      name: Scope of the new ops.
      colocate_gradients_with_ops: Accepted and ignored.
      gate_gradients: Accepted and ignored.
      aggregation_method: Accepted and ignored.
      stop_gradients: Tensors taken as constants.
      unconnected_gradients: `"none"` or `"zero"`, for an x that no y depends on.

    Returns:
      One tensor for each x, or None.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.constant(3.0)
    ...     (dx,) = tf.gradients(x * x, [x])
    ...     with tf.compat.v1.Session() as session:
    ...         print(session.run(dx))
    6.0

    Source: `tf.gradients`.
    """
    graph = get_default_graph()
    targets = [target_of(y) for y in _as_list(ys)]
    sources = [source_of(x) for x in _as_list(xs)]
    for tensor in (*targets, *sources):
        if not isinstance(tensor, GraphTensor):
            raise RuntimeError(
                "tf.gradients works on graphs; use tf.GradientTape in eager mode."
            )
    if grad_ys is not None and len(_as_list(grad_ys)) != len(targets):
        raise ValueError("Passed a different number of grad_ys than of ys.")
    with graph.name_scope(name):
        given = _as_list(grad_ys) if grad_ys is not None else [None] * len(targets)
        seeds = [seed_for(y, g) for y, g in zip(_as_list(ys), given, strict=True)]
        found = walk_cotangents(
            list(graph.operations),
            targets,
            seeds,
            sources,
            [hooks.convert(stop) for stop in _as_list(stop_gradients or [])],
            lambda record: gradient_scope(graph, record),
        )
        return [
            fill_unconnected(part, source, unconnected_gradients)
            for part, source in zip(found, sources, strict=True)
        ]


def hessians(
    ys: Any,
    xs: Any,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    name: str = "hessians",
) -> list[Any]:
    """Returns the second derivatives of `sum(ys)` by each of several tensors.

    Args:
      ys: A tensor or list of tensors.
      xs: A tensor or variable, or a list of them, of known shape.
      gate_gradients: Accepted for compatibility.
      aggregation_method: Accepted for compatibility.
      name: Prefix of the new ops.

    Returns:
      For each x a tensor of shape `x.shape + x.shape`.

    Raises:
      NotImplementedError: The shape of an x is not known.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default():
    ...     x = tf.constant([1.0, 2.0])
    ...     (h,) = tf.hessians(tf.reduce_sum(x**3), x)
    ...     with tf.compat.v1.Session() as session:
    ...         print(session.run(h).tolist())
    [[6.0, 0.0], [0.0, 12.0]]

    Source: `tf.hessians`.
    """
    found = []
    with get_default_graph().name_scope(name):
        for x in _as_list(xs):
            if not x.shape.is_fully_defined():
                raise NotImplementedError(
                    f"tf.hessians by a tensor of shape {x.shape}, which is not known."
                )
            dims = [int(dim) for dim in x.shape]
            (first,) = gradients(ys, [x], unconnected_gradients="zero")
            flat = reshape(first, [-1])
            rows = [
                gradients(flat[i], [x], unconnected_gradients="zero")[0]
                for i in range(math.prod(dims))
            ]
            found.append(reshape(stack(rows), [*dims, *dims]))
    return found


def seed_for(target: Any, given: Any) -> Any:
    """Returns the cotangent that a walk starts with.

    Raises:
      InvalidArgumentError: `given` has another shape than the target.
    """
    if isinstance(target, IndexedSlices):
        dense = None if given is None else gather(given, target.indices)
        return seed_for(target.values, dense)
    target = hooks.convert(target)
    if given is None:
        return ones_like(target)
    seed = hooks.convert(given, dtype_hint=target.dtype)
    if not seed.shape.is_compatible_with(target.shape):
        raise fail(
            InvalidArgumentError,
            "The given gradient of the loss has another shape than the loss",
            got=describe_shapes(seed, target),
            op=getattr(target, "op", None),
        )
    return seed


def target_of(y: Any) -> Any:
    """Returns the tensor that a walk starts at: of slices their values."""
    return y.values if isinstance(y, IndexedSlices) else hooks.convert(y)


def source_of(x: Any) -> Any:
    """Returns the tensor by which the walk knows a tensor or variable."""
    return getattr(x, "handle", x)


def fill_unconnected(part: Any, source: Any, how: Any) -> Any:
    """Returns the gradient, or zeros in place of None where these are asked for."""
    if part is None and UnconnectedGradients(how) is UnconnectedGradients.ZERO:
        if source.shape.is_fully_defined():
            return zeros(source.shape, source.dtype)
        return zeros_like(source)
    return part


@contextlib.contextmanager
def gradient_scope(graph: Graph, record: Any) -> Any:
    """Ops of a derivative are named after the op: `gradients/MatMul_grad/...`."""
    scope = graph.get_name_scope()
    # What ran eagerly has no name of its own.
    name = getattr(record, "name", record.spec.name)
    with graph.name_scope(f"{scope}/{name}_grad/" if scope else None):
        yield


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]
