"""Assertions on ranks, shapes and dtypes: mostly settled before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes, fail, format_shape
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.state import no_op

# A dimension is a number, a name that stands for one number everywhere, or None.
Spec = tuple[Any, ...]


def find_mismatch(
    shapes: Sequence[TensorShape], specs: Sequence[Spec]
) -> tuple[str, bool]:
    """Compares shapes with what they should be.

    Returns:
      What is wrong, or an empty string, and whether everything was known.

    >>> find_mismatch([TensorShape([2, 3]), TensorShape([4])], [("n", 3), ("n",)])
    ('dimension 0 of tensor 1 is 4, where n is 2 elsewhere', True)
    """
    sizes: dict[Any, int] = {}
    complete = True
    for index, (shape, spec) in enumerate(zip(shapes, specs, strict=True)):
        if shape.unknown_rank:
            complete = False
            continue
        is_open = bool(spec) and spec[0] in ("*", "...", Ellipsis)
        spec = spec[1:] if is_open else spec
        offset = len(shape) - len(spec)
        if offset < 0 or (offset and not is_open):
            wanted = f"{'at least ' if is_open else ''}{len(spec)}"
            return f"tensor {index} has rank {len(shape)}, not {wanted}", True
        for k, want in enumerate(spec):
            dim = shape[k + offset]
            if want is None or want == ".":
                continue
            complete = complete and dim is not None
            where = f"dimension {k + offset} of tensor {index} is {dim}"
            if dim is None:
                continue
            if isinstance(want, str) and want.isdigit():
                want = int(want)
            if isinstance(want, str):
                known = sizes.setdefault(want, dim)
                if known != dim:
                    return f"{where}, where {want} is {known} elsewhere", True
            elif want != dim:
                return f"{where}, not {want}", True
    return "", complete


def _infer(*tensors: Any, specs: tuple[Spec, ...], words: str) -> list[Any]:
    wrong, _ = find_mismatch([t.shape for t in tensors], specs)
    if wrong:
        raise _failure(InvalidArgumentError, words, wrong, tensors)
    return []


def _failure(error: Any, words: str, wrong: str, tensors: Sequence[Any]) -> Any:
    return fail(
        error,
        f"{words}: {wrong}",
        got=describe_shapes(*tensors),
        site=str(user_site()),
    )


def _compute(*arrays: Any, specs: tuple[Spec, ...], words: str) -> tuple[()]:
    shapes = [TensorShape(array.shape) for array in arrays]
    wrong, _ = find_mismatch(shapes, specs)
    if wrong:
        shown = " and ".join(map(format_shape, shapes))
        raise fail(
            InvalidArgumentError, f"{words}: {wrong}", got=shown, site=str(user_site())
        )
    return ()


ASSERT_SHAPES = register(
    OpSpec(
        "AssertShapes",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Host("it raises an error with shapes in it"),
        lambda: [Sample((np.ones((2, 3)),), {"specs": (("n", 3),), "words": "w"})],
        errors=lambda: [
            BadInput(
                (np.ones((2, 3)),),
                {"specs": (("n", 4),), "words": "Specified"},
                InvalidArgumentError,
                "Specified: dimension 1 of tensor 0 is 3, not 4",
            )
        ],
        types=("any",),
        effect=Effect.HOST,
        outputs=0,
        strings=True,
    )
)


def _check(
    tensors: Sequence[Any], specs: Sequence[Spec], words: str, name: str | None
) -> Any:
    wrong, complete = find_mismatch([t.shape for t in tensors], specs)
    if wrong:
        raise _failure(ValueError, words, wrong, tensors)
    if complete or building_graph() is None:
        return no_op(name)
    return call(ASSERT_SHAPES, *tensors, name=name, specs=tuple(specs), words=words)


def assert_shapes(
    shapes: Any,
    data: Any = None,
    summarize: Any = None,
    message: str | None = None,
    name: str | None = None,
) -> Any:
    """Raises unless tensors have the shapes that they should.

    Args:
      shapes: A dict or a list of pairs, tensor and shape. A dimension is a number, a
        name that stands for the same number in all shapes, or None for any; a leading
        `...` or `*` stands for any dimensions.
      data: Accepted for compatibility.
      summarize: Accepted for compatibility.
      message: The first words of the error.
      name: Name of the op.

    Raises:
      ValueError: A shape that is known is wrong.
      InvalidArgumentError: In the run, one that was not known is.

    >>> import graphopt as tf
    >>> x, y = tf.ones([5, 2]), tf.ones([5])
    >>> tf.debugging.assert_shapes([(x, ("n", 2)), (y, ("n",))])

    Source: `tf.debugging.assert_shapes`.
    """
    if isinstance(shapes, Mapping):
        shapes = list(shapes.items())
    tensors = [hooks.convert(_referent(tensor)) for tensor, _ in shapes]
    specs = [_spec(shape) for _, shape in shapes]
    return _check(tensors, specs, message or "Specified by assert_shapes", name)


def _referent(value: Any) -> Any:
    return value.deref() if hasattr(value, "deref") else value


def _spec(shape: Any) -> Spec:
    if isinstance(shape, (str, tuple, list)):
        return tuple(shape)
    return (shape,) if isinstance(shape, int) else tuple(shape)


def assert_rank(
    x: Any, rank: Any, message: str | None = None, name: str | None = None
) -> Any:
    """Raises unless a tensor has a rank.

    Raises:
      ValueError: The rank is known and is another one.
      InvalidArgumentError: In the run, it turns out to be another one.

    Source: `tf.debugging.assert_rank`.
    """
    x, rank = hooks.convert(x), int(np.asarray(rank))
    words = f"{message + ': ' if message else ''}Tensor must have rank {rank}"
    return _check([x], [(None,) * rank], words, name or "assert_rank")


def assert_rank_at_least(
    x: Any, rank: Any, message: str | None = None, name: str | None = None
) -> Any:
    """Raises unless a tensor has at least a rank.

    Raises:
      ValueError: The rank is known and is smaller.
      InvalidArgumentError: In the run, it turns out to be smaller.

    Source: `tf.debugging.assert_rank_at_least`.
    """
    x, rank = hooks.convert(x), int(np.asarray(rank))
    words = f"{message + ': ' if message else ''}Tensor must have rank at least {rank}"
    spec = (..., *[None] * rank)
    return _check([x], [spec], words, name or "assert_rank_at_least")


def assert_rank_in(
    x: Any, ranks: Sequence[int], message: str | None = None, name: str | None = None
) -> Any:
    """Raises unless a tensor has one of several ranks.

    Raises:
      ValueError: The rank is none of them.
      NotImplementedError: The rank is not known while the graph is built.

    Source: `tf.debugging.assert_rank_in`.
    """
    x = hooks.convert(x)
    if x.shape.unknown_rank:
        raise NotImplementedError("assert_rank_in of a tensor of unknown rank.")
    wanted = [int(np.asarray(rank)) for rank in ranks]
    if x.shape.rank not in wanted:
        words = f"{message + ': ' if message else ''}Tensor must have rank in {wanted}"
        raise _failure(ValueError, words, f"rank {x.shape.rank}", [x])
    return no_op(name)


def assert_scalar(tensor: Any, message: str | None = None, name: Any = None) -> Any:
    """Raises unless a tensor is a scalar; returns it.

    Raises:
      ValueError: It is none, or its rank is not known.

    Source: `tf.debugging.assert_scalar`.
    """
    tensor = hooks.convert(tensor)
    if tensor.shape.rank != 0:
        words = f"{message + ': ' if message else ''}Expected scalar shape"
        raise _failure(ValueError, words, f"shape {tensor.shape}", [tensor])
    return tensor


def assert_type(
    tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None
) -> Any:
    """Raises unless a tensor has a dtype.

    Raises:
      TypeError: It has another one.

    Source: `tf.debugging.assert_type`.
    """
    tensor, wanted = hooks.convert(tensor), as_dtype(tf_type)
    if tensor.dtype is not wanted:
        raise fail(
            TypeError,
            f"{message + ': ' if message else ''}tensor must be of type {wanted.name}",
            got=describe_shapes(tensor),
            expected=wanted.name,
            site=str(user_site()),
            remedy="tf.cast",
        )
    return no_op(name)


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Any:
    """Raises unless a tensor holds integers.

    Raises:
      TypeError: It does not.

    Source: `tf.debugging.assert_integer`.
    """
    x = hooks.convert(x)
    if not x.dtype.is_integer:
        raise fail(
            TypeError,
            f'{message + ": " if message else ""}Expected "x" to be integer type',
            got=describe_shapes(x),
            site=str(user_site()),
        )
    return no_op(name)


def is_numeric_tensor(tensor: Any) -> bool:
    """Returns whether something is a tensor of numbers.

    Source: `tf.debugging.is_numeric_tensor`.
    """
    dtype = getattr(tensor, "dtype", None)
    is_tensor = hasattr(tensor, "shape") and not isinstance(tensor, np.ndarray)
    return is_tensor and (dtype.is_floating or dtype.is_integer)  # type: ignore[union-attr]
