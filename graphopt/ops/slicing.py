"""Slices: what square brackets mean, tf.slice, tf.strided_slice, split and unstack.

A slice has one normal form, its *key*: a tuple in which a number takes one element, a
triple (begin, end, step) takes a range, None adds a dimension and an Ellipsis stands for
all dimensions that are not named. The key says nothing about the size of the tensor, so
it is an attribute; `view_of` works out starts and counts once the dimensions are known.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from types import EllipsisType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.errors import DecidedByRun, InvalidArgumentError, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, numpy_key, static_ints

Range = tuple[int | None, int | None, int | None]
Entry = int | Range | EllipsisType | None
Key = tuple[Entry, ...]
WHOLE: Range = (None, None, None)


class View(NamedTuple):
    """Where a slice begins, how many elements it has and how far apart they are.

    Attributes:
      starts, counts, steps: One for each dimension of the tensor; a count is None where
        the dimension is not known.
      dims: The shape of the slice.
    """

    starts: list[int]
    counts: list[int | None]
    steps: list[int]
    dims: list[int | None]


def expand_key(key: Key, rank: int) -> list[Entry]:
    """Returns a key without Ellipsis that names every dimension.

    >>> expand_key((..., 0), 3)
    [(None, None, None), (None, None, None), 0]

    Raises:
      InvalidArgumentError: It names more dimensions than there are.
    """
    named = sum(entry is not None and entry is not Ellipsis for entry in key)
    if named > rank or key.count(Ellipsis) > 1:
        raise fail(
            InvalidArgumentError,
            f"Index out of range using input dim {rank}; input has only {rank} dims",
            got=f"{named} indices and {key.count(Ellipsis)} ellipses",
            expected=f"at most {rank} indices and one ellipsis",
            site=str(user_site()),
        )
    entries: list[Entry] = []
    for entry in key if Ellipsis in key else (*key, Ellipsis):
        entries += [WHOLE] * (rank - named) if entry is Ellipsis else [entry]
    return entries


def view_of(dims: Sequence[int | None], key: Key) -> View:
    """Returns what a key selects.

    Raises:
      InvalidArgumentError: An index is out of bounds, or a step is 0.
    """
    view = View([], [], [], [])
    for entry in expand_key(key, len(dims)):
        if entry is None:
            view.dims.append(1)
            continue
        dim = dims[len(view.starts)]
        if isinstance(entry, tuple):
            start, count, step = _range_of(dim, entry)
            view.dims.append(count)
        else:
            assert isinstance(entry, int)
            start, count, step = _element_of(dim, entry, len(view.starts)), 1, 1
        view.starts.append(start)
        view.counts.append(count)
        view.steps.append(step)
    return view


def _range_of(dim: int | None, entry: Range) -> tuple[int, int | None, int]:
    if entry[2] == 0:
        raise fail(
            InvalidArgumentError,
            "slice strides must be non-zero",
            got="a step of 0",
            site=str(user_site()),
        )
    if dim is None:
        return 0, None, entry[2] or 1
    start, stop, step = builtins.slice(*entry).indices(dim)
    return start, len(range(start, stop, step)), step


def _element_of(dim: int | None, index: int, axis: int) -> int:
    if dim is None:
        return 0
    if not -dim <= index < dim:
        raise fail(
            InvalidArgumentError,
            f"slice index {index} of dimension {axis} out of bounds",
            got=f"index {index}",
            expected=f"{-dim} to {dim - 1}" if dim else "none: the dimension is empty",
            remedy="a slice, which may end past the dimension",
            site=str(user_site()),
        )
    return index + dim if index < 0 else index


# ---- StridedSlice, Slice, and their gradient


def _strided_infer(x: Any, *, key: Key) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return UNKNOWN, x.dtype
    return TensorShape(view_of(x.shape, key).dims), x.dtype


def _strided_numpy(x: NDArray[Any], *, key: Key) -> NDArray[Any]:
    return np.array(x[numpy_key(key)], order="C")


def _strided_vjp(g: Any, y: Any, x: Any, *, key: Key) -> tuple[Any]:
    return (call(STRIDED_SLICE_GRAD, g, x, key=key),)


def _strided_samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4)
    keys: list[Key] = [
        (1,),
        ((None, None, -1), ..., (3, 0, -2)),
        (..., None, -1),
        (WHOLE, (1, 1, None)),
        (None, WHOLE, (-2, None, None), (None, None, 3)),
        (0, 2, 3),
        ((5, None, None),),
        (),
    ]
    out = [Sample((x.astype(t),), {"key": keys[1]}) for t in (np.int8, np.bool_)]
    out += [Sample((x.astype(np.float16),), {"key": keys[2]})]
    return out + [Sample((x,), {"key": key}) for key in keys]


def _strided_errors() -> list[BadInput]:
    x = np.zeros((2, 3))
    cases: list[tuple[Key, str]] = [
        ((2,), "slice index 2 of dimension 0 out of bounds"),
        ((0, -4), "slice index -4 of dimension 1 out of bounds"),
        ((0, 0, 0), "Index out of range using input dim 2"),
        (((None, None, 0),), "strides must be non-zero"),
    ]
    return [BadInput((x,), {"key": k}, InvalidArgumentError, m) for k, m in cases]


def _grad_numpy(g: NDArray[Any], x: NDArray[Any], *, key: Key) -> NDArray[Any]:
    out = np.zeros(x.shape, g.dtype)
    out[numpy_key(key)] = g
    return out


def _grad_samples() -> list[Sample]:
    out = []
    for sample in _strided_samples():
        (x,) = sample.inputs
        key = sample.attrs["key"]
        out.append(Sample((_strided_numpy(x, key=key), x), {"key": key}))
    return out


STRIDED_SLICE: OpSpec = register(
    OpSpec(
        "StridedSlice",
        _strided_infer,
        _strided_numpy,
        _strided_vjp,
        Family("slice"),
        _strided_samples,
        errors=_strided_errors,
        types=("any",),
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)
STRIDED_SLICE_GRAD: OpSpec = register(
    OpSpec(
        "StridedSliceGrad",
        lambda g, x, *, key: (x.shape, g.dtype),
        _grad_numpy,
        lambda gg, y, g, x, *, key: (call(STRIDED_SLICE, gg, key=key), None),
        Family("slice_grad"),
        _grad_samples,
        types=("any", "any"),
        host_dtypes=(),
        kernel_inputs=(0,),
    )
)


def slice_view(
    dims: Sequence[int | None], begin: Sequence[int], size: Sequence[int]
) -> View:
    """Returns what tf.slice selects; a size of -1 means all that is left.

    Raises:
      InvalidArgumentError: It reaches out of the tensor.
    """
    if not len(dims) == len(begin) == len(size):
        raise fail(
            InvalidArgumentError,
            "Expected begin and size to have one number for each dimension",
            got=f"begin {list(begin)} and size {list(size)}",
            expected=f"{len(dims)} numbers each",
            site=str(user_site()),
        )
    counts: list[int | None] = []
    for axis, (dim, first, count) in enumerate(zip(dims, begin, size, strict=True)):
        if dim is None:
            counts.append(None if count < 0 else count)
            continue
        taken = dim - first if count == -1 else count
        if not (0 <= first <= dim and 0 <= taken <= dim - first):
            raise fail(
                InvalidArgumentError,
                f"Expected begin[{axis}] in [0, {dim}] and size[{axis}] in "
                f"[0, {dim - first}]",
                got=f"begin {first} and size {count} for a dimension of {dim}",
                expected=f"a slice within 0 to {dim}",
                remedy="a size of -1 for all that is left",
                site=str(user_site()),
            )
        counts.append(taken)
    return View(list(begin), counts, [1] * len(dims), counts)


def _slice_infer(
    x: Any, *, begin: tuple[int, ...], size: tuple[int, ...]
) -> tuple[TensorShape, DType]:
    dims = [None] * len(begin) if x.shape.unknown_rank else x.shape
    return TensorShape(slice_view(dims, begin, size).dims), x.dtype


def _slice_key(begin: Sequence[int], size: Sequence[int]) -> Key:
    return tuple(
        (first, None if count < 0 else first + count, None)
        for first, count in zip(begin, size, strict=True)
    )


def _slice_numpy(
    x: NDArray[Any], *, begin: tuple[int, ...], size: tuple[int, ...]
) -> NDArray[Any]:
    # NumPy would cut a slice that reaches out of the array short.
    slice_view(x.shape, begin, size)
    return _strided_numpy(x, key=_slice_key(begin, size))


def _slice_vjp(g: Any, y: Any, x: Any, *, begin: Any, size: Any) -> tuple[Any]:
    return (call(STRIDED_SLICE_GRAD, g, x, key=_slice_key(begin, size)),)


SLICE = register(
    OpSpec(
        "Slice",
        _slice_infer,
        _slice_numpy,
        _slice_vjp,
        Family("slice"),
        lambda: [
            Sample((np.arange(12.0).reshape(3, 4),), {"begin": b, "size": s})
            for b, s in (((1, 0), (2, -1)), ((0, 2), (-1, 0)), ((3, 4), (0, -1)))
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((3, 4)),),
                {"begin": b, "size": s},
                InvalidArgumentError,
                "Expected begin",
            )
            for b, s in (
                ((1, 0), (3, 1)),
                ((4, 0), (0, 1)),
                ((-1, 0), (1, 1)),
                ((0,), (1,)),
            )
        ],
        types=("any",),
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)


# ---- public functions


def slice(input_: Any, begin: Any, size: Any, name: str | None = None) -> Tensor:
    """Cuts a block out of a tensor; unlike x[...], it must not reach out of it.

    Args:
      input_: The tensor.
      begin: Where the block begins, one number for each dimension, or a tensor of them.
      size: Its size; -1 stands for all that is left along a dimension. Where only the
        run decides it, what follows is interpreted.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The block reaches out of the tensor.

    >>> import graphopt as tf
    >>> tf.slice([[1, 2, 3], [4, 5, 6]], [0, 1], [2, -1]).numpy().tolist()
    [[2, 3], [5, 6]]

    Source: `tf.slice`.
    """
    begins = numbers_or_tensors(begin, "tf.slice")
    sizes = numbers_or_tensors(size, "tf.slice")
    if any(isinstance(n, Tensor) for n in (*begins, *sizes)):
        return hooks.operators["slice_at_run_time"](input_, begins, sizes, name)
    return call(SLICE, input_, name=name, begin=tuple(begins), size=tuple(sizes))


def numbers_or_tensors(value: Any, what: str) -> list[Any]:
    """Returns the elements of a vector: numbers where known, else scalar tensors.

    Raises:
      NotImplementedError: Not even their number is known.
      TypeError: It holds something else than integers.
    """
    if isinstance(value, (list, tuple)):
        parts = [p._as_tensor() if hasattr(p, "_as_tensor") else p for p in value]
        return [
            part
            if isinstance(part, Tensor) and constant_value(part) is None
            else static_ints(part, what)[0]
            for part in parts
        ]
    if hasattr(value, "_as_tensor"):
        value = value._as_tensor()
    if not isinstance(value, Tensor) or constant_value(value) is not None:
        return static_ints(value, what)
    count = value.shape[0] if value.shape.rank == 1 else None
    if count is None:
        raise DecidedByRun(
            f"{what} of as many dimensions as only the run decides; give the vector of "
            "its bounds a known size."
        )
    return [value[i] for i in builtins.range(count)]


def strided_slice(
    input_: Any,
    begin: Any,
    end: Any,
    strides: Any = None,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    var: Any = None,
    name: str | None = None,
) -> Tensor:
    """Returns the elements from `begin` to before `end`, in steps of `strides`.

    Args:
      input_: The tensor.
      begin, end, strides: One number for each sliced dimension, or a tensor of them; a
        stride is 1 if not given.
      begin_mask, end_mask: Bit i set: the slice of dimension i has no begin, or no end.
      ellipsis_mask: Bit i set: entry i stands for all dimensions that are not named.
      new_axis_mask: Bit i set: entry i adds a dimension of size 1.
      shrink_axis_mask: Bit i set: entry i takes one element, and no dimension is left.
      var: Must be None; assigning to a slice is not available.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.strided_slice([1, 2, 3, 4, 5], [4], [0], [-2]).numpy().tolist()
    [5, 3]

    Source: `tf.strided_slice`.
    """
    if var is not None:
        raise NotImplementedError("tf.strided_slice with var; use tf.where and assign.")
    what = "tf.strided_slice"
    first, last = numbers_or_tensors(begin, what), numbers_or_tensors(end, what)
    steps: list[Any] = [1] * len(first)
    if strides is not None:
        steps = numbers_or_tensors(strides, what)
    if not len(first) == len(last) == len(steps):
        raise fail(
            InvalidArgumentError,
            "Expected begin, end, and strides to be equal size",
            got=f"{len(first)}, {len(last)} and {len(steps)} numbers",
            site=str(user_site()),
        )
    key: list[Any] = []
    for i, (b, e, step) in enumerate(zip(first, last, steps, strict=True)):
        bit = 1 << i
        if ellipsis_mask & bit:
            key.append(Ellipsis)
        elif new_axis_mask & bit:
            key.append(None)
        elif shrink_axis_mask & bit:
            key.append(b)
        else:
            begins = None if begin_mask & bit else b
            key.append((begins, None if end_mask & bit else e, step))
    parts = [
        p for entry in key for p in (entry if isinstance(entry, tuple) else [entry])
    ]
    if any(isinstance(part, Tensor) for part in parts):
        brackets = (builtins.slice(*e) if isinstance(e, tuple) else e for e in key)
        return hooks.operators["getitem"](input_, tuple(brackets))
    return call(STRIDED_SLICE, input_, name=name, key=tuple(key))
