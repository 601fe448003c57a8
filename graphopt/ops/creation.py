"""Ops that make tensors: constants, placeholders, fills, and values into tensors."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import (
    DecidedByRun,
    DtypeMismatchError,
    InvalidArgumentError,
    ResourceExhaustedError,
    fail,
)
from graphopt.graph.body import TypedValue
from graphopt.graph.context import building_graph, modes
from graphopt.graph.dispatch import call, safe_cast
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Cost,
    Elementwise,
    Host,
    OpSpec,
    Sample,
    Source,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.strings import blank, string_array
from graphopt.graph.tensor import (
    EagerTensor,
    GraphTensor,
    StandIn,
    Tensor,
    is_symbolic,
)
from graphopt.ops.sizes import known_sizes

# As many as a NumPy array can have.
MOST_DIMENSIONS = 64
LARGEST_BYTES = 1 << 40


# ---- host values into arrays


def as_array(
    value: Any, dtype: DType | None = None, dtype_hint: DType | None = None
) -> NDArray[Any]:
    """Converts Python and NumPy values to an array in native byte order.

    Python floats become float32, Python integers int32, complex numbers complex128, as
    in TensorFlow; NumPy arrays keep their dtype.

    Args:
      value: Numbers, lists, arrays.
      dtype: The dtype that the result must have.
      dtype_hint: The dtype that it should have if that loses nothing in kind.

    Raises:
      TypeError: The value cannot have the dtype, or is no number.
      ValueError: A list is ragged.
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if type(value) is not np.ndarray and is_masked(value):
        raise _cannot_convert(value, np.empty(0, object), dtype)
    if isinstance(value, (list, tuple)) and _has_tensor(value):
        value = np.array([as_array(item, dtype, dtype_hint) for item in value])
    from_python = not isinstance(value, (np.ndarray, np.generic)) and not hasattr(
        value, "__array__"
    )
    try:
        array = np.asarray(value)
    except UnicodeDecodeError:
        # Text and bytes in one list.
        array = np.asarray(value, object)
    except ValueError as error:
        raise fail(
            ValueError,
            "Can't convert a non-rectangular Python sequence to a Tensor",
            got=str(error),
            expected="rows of one length",
            site=str(user_site()),
            remedy="padding the shorter rows",
        ) from None
    if array.dtype.kind in "OSU" and (dtype is None or dtype.is_string):
        strings = string_array(value)
        if strings is not None:
            return strings
    if array.dtype.kind not in "biufc":
        raise _cannot_convert(value, array, dtype)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    want = dtype or dtype_hint
    if want is not None:
        changed = safe_cast(array, want)
        if changed is None and from_python and not array.size:
            changed = array.astype(want.numpy)
        if changed is not None:
            return changed
        if dtype is not None:
            raise _cannot_convert(value, array, dtype)
    if from_python and array.dtype == np.float64:
        return array.astype(np.float32)
    if from_python and array.dtype == np.int64:
        fits = safe_cast(array, dtypes.int32)
        if fits is None:
            raise _cannot_convert(value, array, dtypes.int32)
        return fits
    as_dtype(array.dtype)
    return array


def is_masked(value: Any) -> bool:
    """Whether a value is an array of which elements are marked as invalid."""
    # Who never imported `numpy.ma` has none.
    module = sys.modules.get("numpy.ma")
    return module is not None and isinstance(value, module.MaskedArray)


def _has_tensor(value: Any) -> bool:
    return any(
        isinstance(item, Tensor)
        or (isinstance(item, (list, tuple)) and _has_tensor(item))
        for item in value
    )


def _cannot_convert(value: Any, array: NDArray[Any], dtype: DType | None) -> Exception:
    wanted = dtype.name if dtype is not None else "a number, truth value or string"
    text = repr(value)
    if is_masked(value):
        return fail(
            TypeError,
            "A masked array has no values where it is masked, and no tensor for them",
            got=text if len(text) < 60 else text[:57] + "...",
            expected=wanted,
            site=str(user_site()),
            remedy="array.filled(0)",
        )
    return fail(
        DtypeMismatchError if array.dtype.kind in "iufc" else TypeError,
        f"Cannot convert {text if len(text) < 60 else text[:57] + '...'} to a tensor",
        got=f"values of dtype {array.dtype}",
        expected=wanted,
        site=str(user_site()),
        remedy="tf.cast, or another dtype",
    )


# ---- Const, Placeholder


def _const_infer(*, value: NDArray[Any]) -> tuple[TensorShape, DType]:
    return TensorShape(value.shape), as_dtype(value.dtype)


def _placeholder_infer(*, dtype: DType, shape: TensorShape) -> tuple[Any, DType]:
    return shape, dtype


def _not_fed(**_attrs: Any) -> Any:
    raise InvalidArgumentError("You must feed a value for a placeholder.")


CONST = register(
    OpSpec(
        "Const",
        _const_infer,
        lambda *, value: value,
        NOT_DIFFERENTIABLE,
        Source(),
        lambda: [Sample((), {"value": np.array([1.0, 2.0])})],
    )
)
PLACEHOLDER = register(
    OpSpec(
        "Placeholder",
        _placeholder_infer,
        _not_fed,
        NOT_DIFFERENTIABLE,
        Source(),
        lambda: [Sample((), {"dtype": dtypes.float32, "shape": TensorShape([2])})],
    )
)


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str | None = "Const"
) -> Tensor:
    """Makes a tensor of a value.

    Args:
      value: A number, a nest of lists, or an array.
      dtype: The element type; by default float32 for Python floats, int32 for Python
        integers, and the array's own for arrays.
      shape: The shape; a single number is repeated to fill it.
      name: Name of the op.

    Raises:
      TypeError: The value does not fit the dtype.

    >>> import graphopt as tf
    >>> tf.constant([1, 2, 3])
    <tf.Tensor: shape=(3,), dtype=int32, numpy=array([1, 2, 3], dtype=int32)>

    Source: `tf.constant`.
    """
    if isinstance(value, GraphTensor):
        raise TypeError(f"Expected a value, got the symbolic tensor {value!r}.")
    array = as_array(value, as_dtype(dtype) if dtype is not None else None)
    if shape is not None:
        if array.size == 1:
            array = np.full(tuple(shape), array.reshape(())[()], array.dtype)
        else:
            array = array.reshape(tuple(shape))
    return _constant(np.array(array, order="C"), name)


def _constant(array: NDArray[Any], name: str | None) -> Any:
    if building_graph() is None:
        return EagerTensor(array)
    array.flags.writeable = False
    return call(CONST, name=name or "Const", value=array)


def placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> GraphTensor:
    """Makes a tensor whose value is given in each run, through `feed_dict`.

    Args:
      dtype: The element type.
      shape: The shape, None where a dimension may differ from run to run.
      name: Name of the op.

    Raises:
      RuntimeError: In eager mode, where there is no run.

    Source: `tf.compat.v1.placeholder`.
    """
    if building_graph() is None:
        raise fail(
            RuntimeError,
            "tf.placeholder() is not compatible with eager execution",
            got="a placeholder in eager mode",
            expected="a graph that is being built",
            site=str(user_site()),
            remedy="`with tf.Graph().as_default():` around it",
        )
    attrs = {"dtype": as_dtype(dtype), "shape": TensorShape(shape)}
    symbolic: Any = call(PLACEHOLDER, name=name, **attrs)
    return symbolic


# ---- conversion


def convert_to_tensor(
    value: Any, dtype: Any = None, dtype_hint: Any = None, name: str | None = None
) -> Tensor:
    """Converts a value to a tensor of the current mode; tensors pass unchanged.

    Args:
      value: A tensor, variable, array, number or list; in a graph a list may hold
        symbolic tensors, which are stacked.
      dtype: The dtype that the result must have.
      dtype_hint: The dtype that it should have if possible.
      name: Name of the op, if one is needed.

    Raises:
      TypeError, ValueError: The value does not convert, or is a tensor of another dtype.

    Source: `tf.convert_to_tensor`.
    """
    dtype = as_dtype(dtype) if dtype is not None else None
    converter = getattr(value, "_as_tensor", None)
    if converter is not None:
        value = converter()
    graph = building_graph()
    if isinstance(value, Tensor):
        if dtype is not None and value.dtype is not dtype:
            raise fail(
                DtypeMismatchError,
                f"Tensor conversion requested dtype {dtype.name} for a tensor of "
                f"dtype {value.dtype.name}",
                got=repr(value)[:200],
                expected=dtype.name,
                site=str(user_site()),
                remedy="tf.cast",
            )
        if isinstance(value, EagerTensor) and graph is not None:
            captured = graph.capture(value)
            if captured is not None:
                return captured
            return _constant(value.array.copy(), name)
        if isinstance(value, StandIn) and graph is not None:
            raise _stand_in_in_graph(value)
        if isinstance(value, GraphTensor) and graph is None:
            raise TypeError(
                f"{value!r} is symbolic and has no value in eager mode; run it in a "
                "session, or use it inside `with graph.as_default():`."
            )
        return value
    # Where a tape looks on, what a list holds has derivatives, too.
    if isinstance(value, (list, tuple)) and _is_stacked(value, graph):
        return hooks.operators["stack"](value, dtype or dtype_hint)
    hint = as_dtype(dtype_hint) if dtype_hint is not None else None
    array = as_array(value, dtype, hint)
    # An array, or what lends its memory as one, may change later.
    if isinstance(value, np.ndarray):
        is_shared = np.may_share_memory(array, value)
    else:
        is_shared = not isinstance(value, (*_NUMBERS, list, tuple))
    if is_shared:
        array = array.copy()
    return _constant(np.ascontiguousarray(array).reshape(array.shape), name)


hooks.convert = convert_to_tensor


def _is_stacked(value: Any, graph: Any) -> bool:
    """Whether a list becomes a tensor by an op: derivatives and graphs go through it."""
    if graph is None and not modes.tapes:
        return any(map(_is_stand_in, value))
    return _has_tensor(value)


def _is_stand_in(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_is_stand_in, value))
    return isinstance(value, StandIn)


def _stand_in_in_graph(value: StandIn) -> Exception:
    return fail(
        TypeError,
        f"{value!r} stands for a tensor of a model and has no value here",
        got="a KerasTensor in a graph or tf.function",
        expected="a tensor",
        site=str(user_site()),
        remedy="calling the model, or a tf.keras.layers.Lambda around the function",
    )


_NUMBERS = (bool, int, float, complex, np.generic)


def constant_value(tensor: Any) -> NDArray[Any] | None:
    """Returns the value of a tensor if it is known while the graph is built."""
    if isinstance(tensor, EagerTensor):
        return tensor.array
    if isinstance(tensor, StandIn):
        tensor = tensor.symbol
    if isinstance(tensor, GraphTensor):
        return _symbolic_value(tensor)
    if isinstance(tensor, TypedValue):
        return None
    return np.asarray(tensor)


def _symbolic_value(tensor: GraphTensor) -> NDArray[Any] | None:
    if tensor.op.spec is CONST:
        value: NDArray[Any] = tensor.op.attrs["value"]
        return value
    sizes = known_sizes(tensor) if tensor.dtype.is_integer else None
    if sizes is None or any(dim is None for dim in sizes.flat):
        return None
    return sizes.astype(tensor.dtype.numpy, copy=False)


def numpy_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns the key of a StridedSlice as NumPy takes it: triples become slices."""
    return tuple(slice(*entry) if isinstance(entry, tuple) else entry for entry in key)


def static_ints(value: Any, what: str) -> list[int]:
    """Returns an integer argument, or several, as a list of numbers.

    Raises:
      DecidedByRun: It depends on a value known only at run time.
      TypeError: It holds something else than integers.
    """
    converter = getattr(value, "_as_tensor", None)
    if converter is not None:
        value = converter()
    parts = value if isinstance(value, (list, tuple)) else [value]
    known = [constant_value(p) if isinstance(p, Tensor) else p for p in parts]
    if any(part is None for part in known):
        raise DecidedByRun(
            f"{what} with numbers that only the run decides; give Python integers."
        )
    if not known:
        return []
    numbers = np.concatenate([np.ravel(np.asarray(part)) for part in known])
    if numbers.size and numbers.dtype.kind not in "iu":
        raise fail(
            TypeError,
            f"{what} takes integers",
            got=repr(value)[:80],
            site=str(user_site()),
        )
    return [int(number) for number in numbers]


def static_dims(shape: Any, what: str) -> tuple[int, ...]:
    """Returns a shape argument as a tuple of numbers.

    Raises:
      ValueError: It holds a negative number.
      ResourceExhaustedError: A tensor of that shape could not be allocated.
      DecidedByRun: It depends on a value known only at run time.
    """
    value = constant_value(shape) if isinstance(shape, Tensor) else shape
    if value is None or isinstance(value, (list, tuple)):
        parts = [constant_value(v) if isinstance(v, Tensor) else v for v in value or ()]
        if value is None or any(part is None for part in parts):
            raise DecidedByRun(
                f"{what} with a shape that only the run decides; use a *_like function."
            )
        value = [int(part) for part in parts if part is not None]
    dims = tuple(int(dim) for dim in np.ravel(np.asarray(value)))
    if any(dim < 0 for dim in dims):
        raise fail(
            InvalidArgumentError,
            f"Dimensions of {what} must be >= 0",
            got=str(list(dims)),
            expected="sizes >= 0",
            remedy="tf.shape(x) for a size that only the run knows",
            site=str(user_site()),
        )
    if len(dims) > MOST_DIMENSIONS:
        raise fail(
            InvalidArgumentError,
            f"{what} has too many dimensions",
            got=f"{len(dims)} dimensions",
            expected=f"at most {MOST_DIMENSIONS}",
            site=str(user_site()),
            remedy="tf.reshape to fewer dimensions",
        )
    total = 8
    for dim in dims:
        total *= max(dim, 1)
    if total > LARGEST_BYTES:
        raise fail(
            ResourceExhaustedError,
            f"{what} would need more memory than any machine has",
            got=f"the shape {list(dims)}",
            expected=f"at most {LARGEST_BYTES >> 30} GiB",
            remedy="smaller dimensions",
            site=str(user_site()),
        )
    return dims


# ---- fills


def _fill_infer(value: Any, *, dims: tuple[int, ...]) -> tuple[TensorShape, DType]:
    return TensorShape(dims), value.dtype


def _fill_vjp(g: Any, y: Any, value: Any, *, dims: Any) -> tuple[Any]:
    return (g,)


FILL = register(
    OpSpec(
        "Fill",
        _fill_infer,
        lambda value, *, dims: np.full(dims, value),
        _fill_vjp,
        Elementwise("{0}"),
        lambda: [Sample((np.float64(2.5),), {"dims": (2, 3)})],
        types=("any",),
        strings=True,
        cost=Cost.UNRATED,
    )
)


def _dims_of(dims: Any) -> TensorShape:
    """The shape that a vector of sizes stands for, as far as it is known."""
    if not isinstance(dims, Tensor):
        # Of a body's argument nothing is known but how many there are.
        return TensorShape([None] * dims.shape[0]) if dims.shape else UNKNOWN
    known = known_sizes(dims)
    if known is not None:
        return TensorShape(int(dim) if dim is not None else None for dim in known)
    if dims.shape.rank != 1 or dims.shape[0] is None:
        return UNKNOWN
    return TensorShape([None] * dims.shape[0])


# Sizes that follow from shapes are numbers in a plan, where it becomes a `Fill`.
FILL_DIMS = register(
    OpSpec(
        "FillDims",
        lambda value, dims: (_dims_of(dims), value.dtype),
        lambda value, dims: np.full(tuple(dims), value),
        lambda g, y, value, dims: (g, None),
        Host("its size is known once its data are there"),
        lambda: [Sample((np.float64(2.5), np.array([2, 3], np.int32)))],
        types=("any", "any"),
        strings=True,
    )
)


def _like_infer(x: Any) -> tuple[TensorShape, DType]:
    return x.shape, x.dtype


def _register_like(name: str, make: Any, expression: str) -> OpSpec:
    return register(
        OpSpec(
            name,
            _like_infer,
            make,
            lambda g, y, x: (None,),
            Elementwise(expression),
            lambda: [Sample((np.arange(6.0).reshape(2, 3),))],
            strings=name == "ZerosLike",
            cost=Cost.UNRATED,
        )
    )


ZEROS_LIKE = _register_like("ZerosLike", lambda x: blank(x.shape, x.dtype), "zero({0})")
ONES_LIKE = _register_like("OnesLike", np.ones_like, "one({0})")


def _shape_infer(x: Any, *, dtype: DType) -> tuple[TensorShape, DType]:
    return TensorShape(None if x.shape.rank is None else [x.shape.rank]), dtype


SHAPE = register(
    OpSpec(
        "Shape",
        _shape_infer,
        lambda x, *, dtype: np.array(x.shape, dtype.numpy),
        NOT_DIFFERENTIABLE,
        Source(),
        lambda: [Sample((np.zeros((2, 3)),), {"dtype": dtypes.int32})],
        types=("any",),
        strings=True,
    )
)


def shape(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """Returns the shape of a tensor as a tensor of its own, `[rank]`.

    Source: `tf.shape`.
    """
    return call(SHAPE, input, name=name, dtype=as_dtype(out_type))


def fill(dims: Any, value: Any, name: str | None = None) -> Tensor:
    """Returns a tensor of shape `dims` filled with a scalar.

    Source: `tf.fill`.
    """
    if decided_by_run(dims):
        return call(FILL_DIMS, value, as_vector(dims), name=name)
    return call(FILL, value, name=name, dims=static_dims(dims, "tf.fill"))


def decided_by_run(dims: Any) -> bool:
    """Whether a size is a tensor of a graph whose value is not known yet."""
    parts = dims if isinstance(dims, (list, tuple)) else (dims,)
    return any(is_symbolic(p) and constant_value(p) is None for p in parts)


def as_vector(dims: Any) -> Any:
    """Returns sizes, of which some are tensors, as one tensor."""
    if isinstance(dims, (list, tuple)):
        return hooks.operators["stack"](dims, dtypes.int32)
    return hooks.operators["stack"]([dims], None) if dims.shape == () else dims


def zeros(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """Returns a tensor of zeros.

    Source: `tf.zeros`.
    """
    return _fill(shape, 0, as_dtype(dtype), name or "zeros")


def ones(shape: Any, dtype: Any = dtypes.float32, name: str | None = None) -> Tensor:
    """Returns a tensor of ones.

    Source: `tf.ones`.
    """
    return _fill(shape, 1, as_dtype(dtype), name or "ones")


def _fill(shape: Any, value: Any, dtype: DType, name: str) -> Any:
    if dtype.is_string:
        if value:
            raise TypeError("tf.ones of strings; use tf.fill.")
        value = b""
    if decided_by_run(shape):
        number = np.array(value, dtype.numpy)
        return call(FILL_DIMS, number, as_vector(shape), name=name)
    dims = static_dims(shape, f"tf.{name}")
    scalar = np.array(value, dtype.numpy)
    if building_graph() is None:
        return EagerTensor(np.full(dims, scalar))
    return call(FILL, scalar, name=name, dims=dims)


def zeros_like(input: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Returns zeros of the shape (and, unless given, the dtype) of `input`.

    Source: `tf.zeros_like`.
    """
    return _cast_like(call(ZEROS_LIKE, input, name=name), dtype)


def ones_like(input: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Returns ones of the shape (and, unless given, the dtype) of `input`.

    Source: `tf.ones_like`.
    """
    return _cast_like(call(ONES_LIKE, input, name=name), dtype)


def _cast_like(tensor: Any, dtype: Any) -> Any:
    if dtype is None or as_dtype(dtype) is tensor.dtype:
        return tensor
    return hooks.operators["cast"](tensor, as_dtype(dtype))
