"""Ops that rearrange elements without computing: reshape, transpose, concat, slice."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import (
    DecidedByRun,
    InvalidArgumentError,
    describe_shapes,
    fail,
    format_shape,
)
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    Alias,
    BadInput,
    Cost,
    Family,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import GraphTensor, StandIn, Tensor
from graphopt.ops.creation import as_vector, constant_value, decided_by_run, static_ints
from graphopt.ops.deferred import deferrable
from graphopt.ops.sizes import known_sizes as sizes_of


def _arange(*shape: int, dtype: Any = np.float64) -> NDArray[Any]:
    return np.arange(math.prod(shape), dtype=dtype).reshape(shape)


# ---- reshape


def _resolve(x: Any, dims: Sequence[int]) -> list[int | None]:
    """Fills in the -1 of a reshape."""
    size = x.shape.num_elements()
    known = math.prod(dim for dim in dims if dim >= 0)
    out: list[int | None] = [dim if dim >= 0 else None for dim in dims]
    if size is None:
        return out
    if -1 in dims and known and size % known == 0:
        out[list(dims).index(-1)] = size // known
    elif -1 in dims or known != size:
        raise fail(
            InvalidArgumentError,
            f"Cannot reshape a tensor with {size} elements to shape {list(dims)} "
            f"({known} elements)",
            got=f"{x.dtype.name}{format_shape(x.shape)}",
            expected="the same number of elements",
            remedy="-1 for the dimension that may vary",
            op=getattr(x, "op", None),
            site=str(user_site()),
        )
    return out


def _reshape_infer(x: Any, *, shape: tuple[int, ...]) -> tuple[TensorShape, DType]:
    return TensorShape(_resolve(x, shape)), x.dtype


def _reshape_bad() -> list[BadInput]:
    return [
        BadInput((_arange(2, 3),), {"shape": (4, 2)}, InvalidArgumentError, "reshape"),
        BadInput((_arange(2, 3),), {"shape": (-1, 4)}, InvalidArgumentError, "reshape"),
    ]


RESHAPE = register(
    OpSpec(
        "Reshape",
        _reshape_infer,
        lambda x, *, shape: x.reshape(shape),
        lambda g, y, x, *, shape: (reshape_like(g, x),),
        Alias(),
        lambda: [
            Sample((_arange(2, 3, 4),), {"shape": (4, -1)}),
            Sample((_arange(1),), {"shape": ()}),
            Sample((_arange(0, 3),), {"shape": (3, 0)}),
        ],
        errors=_reshape_bad,
        types=("any",),
        strings=True,
    )
)
RESHAPE_LIKE = register(
    OpSpec(
        "ReshapeLike",
        lambda x, pattern: (pattern.shape, x.dtype),
        lambda x, pattern: x.reshape(pattern.shape),
        lambda g, y, x, pattern: (reshape_like(g, x), None),
        Alias(),
        lambda: [Sample((_arange(2, 6), _arange(3, 4)))],
        types=("any", "any"),
        strings=True,
    )
)


def _reshape_by(x: Any, dims: Any) -> tuple[TensorShape, DType]:
    """What is known of the shape that a vector of sizes gives a tensor."""
    known = sizes_of(dims) if isinstance(dims, Tensor) else None
    if known is None:
        rank = None if dims.shape.rank != 1 else dims.shape[0]
        return UNKNOWN if rank is None else TensorShape([None] * rank), x.dtype
    sizes = [None if size is None else int(size) for size in known]
    if None not in sizes:
        return TensorShape(_resolve(x, tuple(sizes))), x.dtype  # type: ignore[arg-type]
    return TensorShape(None if size == -1 else size for size in sizes), x.dtype


# Sizes that follow from shapes are numbers in a plan, where it becomes a `Reshape`.
RESHAPE_DIMS = register(
    OpSpec(
        "ReshapeDims",
        _reshape_by,
        lambda x, dims: x.reshape(tuple(int(size) for size in dims)),
        lambda g, y, x, dims: (reshape_like(g, x), None),
        Host("its shape is known once its data are there"),
        lambda: [
            Sample((_arange(2, 6), np.array([4, 3], np.int32))),
            Sample((_arange(2, 6), np.array([-1, 2, 2], np.int64))),
        ],
        types=("any", "any"),
        strings=True,
    )
)


def _reduced_shape(pattern: Any, axis: tuple[int, ...] | None) -> TensorShape:
    if pattern.shape.unknown_rank:
        return UNKNOWN
    return TensorShape(
        1 if axis is None or i in axis else dim for i, dim in enumerate(pattern.shape)
    )


RESHAPE_REDUCED = register(
    OpSpec(
        "ReshapeLikeReduced",
        lambda x, pattern, *, axis: (_reduced_shape(pattern, axis), x.dtype),
        lambda x, pattern, *, axis: x.reshape(
            tuple(_reduced_shape(_Shaped(pattern), axis))
        ),
        lambda g, y, x, pattern, *, axis: (reshape_like(g, x), None),
        Alias(),
        lambda: [Sample((_arange(2), _arange(2, 3)), {"axis": (1,)})],
        types=("any", "any"),
        strings=True,
    )
)


class _Shaped:
    """An array whose shape is a TensorShape, as inference rules expect."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.shape = TensorShape(array.shape)


def reshape(tensor: Any, shape: Any, name: str | None = None) -> Tensor:
    """Gives a tensor another shape; one dimension may be -1 and is worked out.

    Args:
      tensor: The tensor.
      shape: The new shape: a list of numbers and scalar tensors, or a tensor.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The numbers of elements differ, or two dimensions are open.

    >>> import graphopt as tf
    >>> tf.reshape(tf.constant([1, 2, 3, 4]), [2, -1]).shape
    TensorShape([2, 2])

    Source: `tf.reshape`.
    """
    dims = _dims_or_minus_one(shape)
    if dims is None:
        return call(RESHAPE_DIMS, tensor, as_vector(shape), name=name)
    if dims.count(-1) == 2 and isinstance(shape, (list, tuple)):
        _divide_by_own_dimension(tensor, shape, dims)
    if dims.count(-1) > 1 and decided_by_run(shape):
        return call(RESHAPE_DIMS, tensor, as_vector(shape), name=name)
    if dims.count(-1) > 1 or any(dim < -1 for dim in dims):
        raise fail(
            InvalidArgumentError,
            "Only one dimension of a reshape may be -1",
            got=str(dims),
            expected="sizes >= 0, and at most one -1",
            remedy="tf.shape(x)[i] for the other one",
            site=str(user_site()),
        )
    return call(RESHAPE, tensor, name=name, shape=tuple(dims))


def _divide_by_own_dimension(
    tensor: Any, shape: Sequence[Any], dims: list[int]
) -> None:
    """Works out the -1 of `reshape(x, [tf.shape(x)[0], -1])`, if the rest is known."""
    opens = [i for i, p in enumerate(shape) if isinstance(p, int) and p == -1]
    for part in shape:
        if isinstance(part, StandIn):
            part = part.symbol
        if not isinstance(part, GraphTensor) or part.op.type != "StridedSlice":
            continue
        source, key = part.op.inputs[0].op, part.op.attrs["key"]
        measured = tensor.symbol if isinstance(tensor, StandIn) else tensor
        if source.type != "Shape" or source.inputs[0] is not measured or len(key) != 1:
            continue
        if not isinstance(key[0], int) or not opens:
            continue
        at = key[0] % len(tensor.shape)
        rest = [d for i, d in enumerate(tensor.shape) if i != at and d is not None]
        size, known = math.prod(rest), math.prod(d for d in dims if d >= 0)
        if len(rest) == len(tensor.shape) - 1 and known and size % known == 0:
            dims[opens[0]] = size // known
            return


def _dims_or_minus_one(shape: Any) -> list[int] | None:
    """Reads a shape, -1 for sizes that the run decides; None if it decides their number."""
    if isinstance(shape, Tensor):
        parts: Any = constant_value(shape)
        if parts is None:
            op = getattr(shape, "op", None)
            parts = op.inputs if op is not None and op.spec is PACK else None
        if parts is None:
            return None
    else:
        parts = shape if isinstance(shape, (list, tuple)) else np.ravel(shape)
    dims = []
    for part in parts:
        value = constant_value(part) if isinstance(part, Tensor) else part
        dims.append(-1 if value is None else int(value))
    return dims


def reshape_like(x: Any, pattern: Any) -> Any:
    """Gives a tensor the shape of another one."""
    if x.shape == pattern.shape and x.shape.is_fully_defined():
        return x
    return call(RESHAPE_LIKE, x, pattern)


def reshape_like_reduced(x: Any, pattern: Any, axis: tuple[int, ...] | None) -> Any:
    """Gives a reduction of `pattern` its dimensions of size 1 back."""
    return call(RESHAPE_REDUCED, x, pattern, axis=axis)


def _expand_infer(x: Any, *, axis: int) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return UNKNOWN, x.dtype
    rank = len(x.shape) + 1
    if not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            "Dimension out of range for ExpandDims",
            got=f"axis {axis} for {describe_shapes(x)}",
            expected=f"{-rank} to {rank - 1}",
            remedy="axis=-1 for a new last dimension",
            site=str(user_site()),
        )
    dims = list(x.shape)
    dims.insert(axis % rank, 1)
    return TensorShape(dims), x.dtype


EXPAND_DIMS = register(
    OpSpec(
        "ExpandDims",
        _expand_infer,
        lambda x, *, axis: np.expand_dims(x, axis),
        lambda g, y, x, *, axis: (reshape_like(g, x),),
        Alias(),
        lambda: [Sample((_arange(2, 3),), {"axis": a}) for a in (0, 1, -1)],
        errors=lambda: [
            BadInput((_arange(2),), {"axis": 4}, InvalidArgumentError, "out of range")
        ],
        types=("any",),
        strings=True,
    )
)


def expand_dims(input: Any, axis: Any, name: str | None = None) -> Tensor:
    """Inserts a dimension of size 1 before `axis`.

    Source: `tf.expand_dims`.
    """
    return call(EXPAND_DIMS, input, name=name, axis=int(axis))


def _squeeze_infer(
    x: Any, *, axis: tuple[int, ...] | None
) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank or (axis is None and None in x.shape):
        return UNKNOWN, x.dtype
    rank = len(x.shape)
    chosen = {a % rank for a in axis} if axis else set()
    if axis is None:
        chosen = {i for i, dim in enumerate(x.shape) if dim == 1}
    if any(x.shape[a] not in (1, None) for a in chosen):
        raise fail(
            InvalidArgumentError,
            "Can not squeeze dimensions that are not 1",
            got=f"axis {sorted(chosen)} for {describe_shapes(x)}",
            expected="dimensions of size 1",
            remedy="tf.reshape",
            site=str(user_site()),
        )
    return TensorShape(d for i, d in enumerate(x.shape) if i not in chosen), x.dtype


SQUEEZE = register(
    OpSpec(
        "Squeeze",
        _squeeze_infer,
        lambda x, *, axis: np.squeeze(x, axis),
        lambda g, y, x, *, axis: (reshape_like(g, x),),
        Alias(),
        lambda: [Sample((_arange(2, 1, 3, 1),), {"axis": a}) for a in (None, (1,))],
        errors=lambda: [
            BadInput((_arange(2, 3),), {"axis": (0,)}, InvalidArgumentError, "squeeze")
        ],
        types=("any",),
        strings=True,
    )
)


def squeeze(input: Any, axis: Any = None, name: str | None = None) -> Tensor:
    """Removes dimensions of size 1: all of them, or those of `axis`.

    Source: `tf.squeeze`.
    """
    axes = None if axis is None else tuple(int(a) for a in np.ravel(axis))
    return call(SQUEEZE, input, name=name, axis=axes)


# ---- identity


IDENTITY = register(
    OpSpec(
        "Identity",
        lambda x: (x.shape, x.dtype),
        lambda x: x,
        lambda g, y, x: (g,),
        Alias(),
        lambda: [Sample((_arange(2, 3),))],
        types=("any",),
        strings=True,
        takes_slices=True,
    )
)
STOP_GRADIENT = register(
    OpSpec(
        "StopGradient",
        lambda x: (x.shape, x.dtype),
        lambda x: x,
        lambda g, y, x: (None,),
        Alias(),
        lambda: [Sample((_arange(2, 3),))],
        types=("any",),
        strings=True,
    )
)


def identity(input: Any, name: str | None = None) -> Tensor:
    """Returns a tensor of the same value.

    Source: `tf.identity`.
    """
    return call(IDENTITY, input, name=name)


def stop_gradient(input: Any, name: str | None = None) -> Tensor:
    """Returns the same value, through which no gradient flows.

    Source: `tf.stop_gradient`.
    """
    return call(STOP_GRADIENT, input, name=name)


# ---- transpose


def _transpose_infer(x: Any, *, perm: tuple[int, ...]) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return UNKNOWN, x.dtype
    if sorted(perm) != list(range(len(x.shape))):
        raise fail(
            InvalidArgumentError,
            "perm is not a permutation of the dimensions",
            got=f"perm {list(perm)} for {describe_shapes(x)}",
            expected="each dimension once",
            remedy="perm=None to reverse all dimensions",
            site=str(user_site()),
        )
    return TensorShape(x.shape[i] for i in perm), x.dtype


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(perm))


TRANSPOSE: OpSpec = register(
    OpSpec(
        "Transpose",
        _transpose_infer,
        lambda x, *, perm: np.ascontiguousarray(np.transpose(x, perm)).reshape(
            [x.shape[i] for i in perm]
        ),
        lambda g, y, x, *, perm: (call(TRANSPOSE, g, perm=_inverse(perm)),),
        Family("transpose"),
        lambda: [
            Sample((_arange(3, 4, dtype=np.float32),), {"perm": (1, 0)}),
            Sample((_arange(2, 3, 4),), {"perm": (2, 0, 1)}),
            Sample((_arange(2, 3, 2, 2, dtype=np.int32),), {"perm": (0, 2, 1, 3)}),
            Sample((_arange(3),), {"perm": (0,)}),
        ],
        errors=lambda: [
            BadInput((_arange(2, 2),), {"perm": (0, 0)}, InvalidArgumentError, "perm")
        ],
        types=("any",),
        strings=True,
        cost=Cost.MOVE,
    )
)


@deferrable(
    shapes=lambda a, **_: [
        TensorShape([None] * len(a.shape)) if a.shape.rank is not None else UNKNOWN
    ]
)
def transpose(a: Any, perm: Any = None, name: str | None = None) -> Tensor:
    """Permutes the dimensions; by default reverses their order.

    Source: `tf.transpose`.
    """
    a = hooks.convert(a)
    if perm is None:
        if a.shape.rank is None:
            raise DecidedByRun("tf.transpose of a tensor of unknown rank.")
        perm = range(a.shape.rank)[::-1]
    axes = tuple(static_ints(perm, "tf.transpose"))
    return call(TRANSPOSE, a, name=name, perm=axes)


# ---- concat


def _concat_infer(*xs: Any, axis: int) -> tuple[TensorShape, DType]:
    shape = xs[0].shape
    if any(x.shape.unknown_rank for x in xs):
        return UNKNOWN, xs[0].dtype
    rank = len(shape)
    if any(len(x.shape) != rank for x in xs) or not -rank <= axis < rank:
        raise _concat_error(xs, axis)
    at = axis % rank
    dims: list[int | None] = []
    for i in range(rank):
        sizes = [x.shape[i] for x in xs]
        known = {size for size in sizes if size is not None}
        if i == at:
            dims.append(None if None in sizes else sum(known_sizes(sizes)))
        elif len(known) > 1:
            raise _concat_error(xs, axis)
        else:
            dims.append(known.pop() if known else None)
    return TensorShape(dims), xs[0].dtype


def known_sizes(sizes: Sequence[int | None]) -> list[int]:
    """Returns the dimensions that are known."""
    return [size for size in sizes if size is not None]


def _concat_error(xs: Sequence[Any], axis: int) -> Exception:
    return fail(
        InvalidArgumentError,
        "Dimensions of the inputs of concat should match except along the axis",
        got=f"{describe_shapes(*xs)} with axis {axis}",
        expected="equal sizes in every dimension but one",
        remedy="another axis, or tf.reshape",
        site=str(user_site()),
    )


def _concat_vjp(g: Any, y: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    return call_all(SPLIT_LIKE, g, *xs, axis=axis)


def _split_numpy(g: NDArray[Any], *xs: Any, axis: int) -> Any:
    ends = np.cumsum([x.shape[axis] for x in xs])[:-1]
    parts = [np.ascontiguousarray(part) for part in np.split(g, ends, axis)]
    return tuple(parts) if len(parts) > 1 else parts[0]


def _split_vjp(gs: Any, y: Any, g: Any, *xs: Any, axis: int) -> Any:
    gs = gs if isinstance(y, tuple) else (gs,)
    pairs = zip(gs, xs, strict=True)
    parts = [x * 0 if part is None else part for part, x in pairs]
    return (concat(parts, axis), *(None for _ in xs))


CONCAT = register(
    OpSpec(
        "ConcatV2",
        _concat_infer,
        lambda *xs, axis: np.concatenate(xs, axis),
        _concat_vjp,
        Family("concat"),
        lambda: [
            Sample((_arange(2, 3), _arange(2, 1), _arange(2, 0)), {"axis": 1}),
            Sample((_arange(2, 3), _arange(1, 3)), {"axis": -2}),
            Sample((_arange(2, 2, 2), _arange(2, 1, 2)), {"axis": 1}),
        ],
        errors=lambda: [
            BadInput(
                (_arange(2, 3), _arange(3, 3)),
                {"axis": 1},
                InvalidArgumentError,
                "conc",
            )
        ],
        strings=True,
        cost=Cost.MOVE,
    )
)
# The derivative of a concatenation: one op for all parts, as many as there are.
SPLIT_LIKE = register(
    OpSpec(
        "SplitLike",
        lambda g, *xs, axis: [(x.shape, g.dtype) for x in xs],
        _split_numpy,
        _split_vjp,
        Family("split_like"),
        lambda: [
            Sample((_arange(2, 4), _arange(2, 3), _arange(2, 1)), {"axis": 1}),
            Sample((_arange(3, 2), _arange(0, 2), _arange(3, 2)), {"axis": -2}),
            Sample((_arange(2, 2), _arange(2, 2)), {"axis": 0}),
        ],
        outputs=-1,
        kernel_inputs=(0,),
        strings=True,
        cost=Cost.MOVE,
    )
)


def concat(values: Any, axis: Any, name: str | None = None) -> Any:
    """Joins tensors along an axis.

    >>> import graphopt as tf
    >>> tf.concat([[1, 2], [3]], axis=0).numpy().tolist()
    [1, 2, 3]

    Source: `tf.concat`.
    """
    values = list(values)
    if len(values) == 1:
        return identity(values[0], name=name)
    return call(CONCAT, *values, name=name, axis=int(np.asarray(constant_value(axis))))


# ---- stack


def _pack_infer(*xs: Any, axis: int) -> tuple[TensorShape, DType]:
    if any(x.shape.unknown_rank for x in xs) and axis < 0:
        return UNKNOWN, xs[0].dtype
    shape = xs[0].shape
    for x in xs[1:]:
        if not shape.is_compatible_with(x.shape):
            raise fail(
                InvalidArgumentError,
                "Shapes of all inputs of stack must match",
                got=describe_shapes(*xs),
                expected="one shape",
                remedy="tf.concat, which joins along a dimension",
                site=str(user_site()),
            )
        shape = shape.merge_with(x.shape)
    if shape.unknown_rank:
        return UNKNOWN, xs[0].dtype
    dims = list(shape)
    dims.insert(axis % (len(dims) + 1), len(xs))
    return TensorShape(dims), xs[0].dtype


def _pack_vjp(g: Any, y: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    # In a file that builds on this one.
    from graphopt.ops.splitting import unstack

    return tuple(unstack(g, len(xs), axis))


PACK = register(
    OpSpec(
        "Pack",
        _pack_infer,
        lambda *xs, axis: np.stack(xs, axis),
        _pack_vjp,
        Family("concat", "stack"),
        lambda: [
            Sample((_arange(2, 3), _arange(2, 3)), {"axis": a}) for a in (0, 1, -1)
        ],
        errors=lambda: [
            BadInput(
                (_arange(2), _arange(3)), {"axis": 0}, InvalidArgumentError, "match"
            )
        ],
        strings=True,
        cost=Cost.MOVE,
    )
)


def stack(values: Any, axis: int = 0, name: str | None = "stack") -> Tensor:
    """Joins tensors along a new axis.

    Source: `tf.stack`.
    """
    return call(PACK, *values, name=name, axis=int(axis))


def _stack_values(values: Any, dtype: DType | None) -> Any:
    parts = [hooks.convert(value, dtype_hint=dtype or dtypes.int32) for value in values]
    return stack(parts, name="packed")


hooks.operators["stack"] = _stack_values
