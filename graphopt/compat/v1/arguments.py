"""Functions whose arguments have other names, or another order, in TensorFlow 1.

`tf.reduce_sum(x, reduction_indices=1, keep_dims=True)`, `tf.argmax(x, dimension=1)`: what
each computes is what the function of version 2 does. Arguments that only say how fast
(`use_locking`, `optimize`) are accepted.
"""

from __future__ import annotations

from typing import Any

from graphopt import nest
from graphopt.dtypes import int32, int64
from graphopt.graph.context import executing_eagerly
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops import indexing, masks, scatter, selecting
from graphopt.ops.cond import case as _case
from graphopt.ops.cond import cond as _cond
from graphopt.ops.creation import constant as _constant
from graphopt.ops.creation import convert_to_tensor as _convert_to_tensor
from graphopt.ops.creation import ones_like as _ones_like
from graphopt.ops.creation import shape as _shape
from graphopt.ops.creation import zeros_like as _zeros_like
from graphopt.ops.einsum import norm as _norm
from graphopt.ops.elementwise import where as _where
from graphopt.ops.matmul import matmul as _matmul
from graphopt.ops.padding import pad as _pad
from graphopt.ops.random_stateful import categorical
from graphopt.ops.sequences import size as _size
from graphopt.ops.shaping import expand_dims as _expand_dims
from graphopt.ops.shaping import identity, reshape
from graphopt.ops.shaping import squeeze as _squeeze
from graphopt.ops.shaping import transpose as _transpose
from graphopt.ops.statistics import count_nonzero as _count_nonzero
from graphopt.ops.while_loop import while_loop as _while_loop
from graphopt.runtime.names import name_scope as _name_scope


def one_of(new: str, first: Any, old: str, second: Any, default: Any = None) -> Any:
    """Returns the argument that was given, under its new name or its old one.

    Raises:
      ValueError: Both were.
    """
    if second is None:
        return default if first is None else first
    if first is not None:
        raise ValueError(f"Cannot specify both {new!r} and {old!r}.")
    return second


def arg_max(
    input: Any, dimension: Any, output_type: Any = int64, name: str | None = None
) -> Tensor:
    """As `tf.argmax`.

    Source: `tf.compat.v1.arg_max`.
    """
    return selecting.argmax(input, dimension, output_type, name)


def arg_min(
    input: Any, dimension: Any, output_type: Any = int64, name: str | None = None
) -> Tensor:
    """As `tf.argmin`.

    Source: `tf.compat.v1.arg_min`.
    """
    return selecting.argmin(input, dimension, output_type, name)


def count_nonzero(
    input_tensor: Any = None,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: Any = int64,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
    input: Any = None,
) -> Tensor:
    """As `tf.math.count_nonzero`.

    Source: `tf.compat.v1.count_nonzero`.
    """
    return _count_nonzero(
        one_of("input", input, "input_tensor", input_tensor),
        one_of("axis", axis, "reduction_indices", reduction_indices),
        one_of("keepdims", keepdims, "keep_dims", keep_dims, False),
        dtype,
        name,
    )


def norm(
    tensor: Any,
    ord: Any = "euclidean",
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.norm`.

    Source: `tf.compat.v1.norm`.
    """
    keep = one_of("keepdims", keepdims, "keep_dims", keep_dims, False)
    return _norm(tensor, ord, axis, keep, name)


def matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    adjoint_a: bool = False,
    adjoint_b: bool = False,
    a_is_sparse: bool = False,
    b_is_sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """As `tf.matmul`; that a matrix has many zeros is only a hint.

    Source: `tf.compat.v1.matmul`.
    """
    return _matmul(a, b, transpose_a, transpose_b, adjoint_a, adjoint_b, name=name)


# ---- shapes


def shape(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """As `tf.shape`.

    Source: `tf.compat.v1.shape`.
    """
    return _shape(input, out_type, name)


def size(input: Any, name: str | None = None, out_type: Any = int32) -> Tensor:
    """As `tf.size`.

    Source: `tf.compat.v1.size`.
    """
    return _size(input, out_type, name)


def shape_n(input: Any, out_type: Any = int32, name: str | None = None) -> list[Any]:
    """Returns the shape of each of a list of tensors.

    Source: `tf.shape_n`.
    """
    return [_shape(each, out_type) for each in input]


def expand_dims(
    input: Any, axis: Any = None, name: str | None = None, dim: Any = None
) -> Tensor:
    """As `tf.expand_dims`; `dim` is `axis`.

    Source: `tf.compat.v1.expand_dims`.
    """
    axis = one_of("axis", axis, "dim", dim)
    if axis is None:
        raise ValueError("Must specify an axis argument to tf.expand_dims()")
    return _expand_dims(input, axis, name)


def squeeze(
    input: Any, axis: Any = None, name: str | None = None, squeeze_dims: Any = None
) -> Tensor:
    """As `tf.squeeze`; `squeeze_dims` is `axis`.

    Source: `tf.compat.v1.squeeze`.
    """
    return _squeeze(input, one_of("axis", axis, "squeeze_dims", squeeze_dims), name)


def transpose(
    a: Any, perm: Any = None, name: str | None = "transpose", conjugate: bool = False
) -> Tensor:
    """As `tf.transpose`.

    Source: `tf.compat.v1.transpose`.
    """
    made = _transpose(a, perm, name=name)
    if not conjugate:
        return made
    from graphopt.ops.complex_numbers import conj

    return conj(made)


def pad(
    tensor: Any,
    paddings: Any,
    mode: str = "CONSTANT",
    name: str | None = None,
    constant_values: Any = 0,
) -> Tensor:
    """As `tf.pad`.

    Source: `tf.compat.v1.pad`.
    """
    return _pad(tensor, paddings, mode, constant_values, name)


def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    name: str | None = None,
    axis: Any = None,
    batch_dims: int = 0,
) -> Tensor:
    """As `tf.gather`.

    Source: `tf.compat.v1.gather`.
    """
    return indexing.gather(params, indices, validate_indices, axis, batch_dims, name)


def gather_nd(
    params: Any, indices: Any, name: str | None = None, batch_dims: int = 0
) -> Tensor:
    """As `tf.gather_nd`.

    Source: `tf.compat.v1.gather_nd`.
    """
    return scatter.gather_nd(params, indices, batch_dims, name)


def boolean_mask(
    tensor: Any, mask: Any, name: str = "boolean_mask", axis: Any = None
) -> Tensor:
    """As `tf.boolean_mask`.

    Source: `tf.compat.v1.boolean_mask`.
    """
    return masks.boolean_mask(tensor, mask, axis, name)


def where(
    condition: Any, x: Any = None, y: Any = None, name: str | None = None
) -> Tensor:
    """Returns x where a condition holds, else y, or the places where it holds.

    A condition that is a vector takes whole rows of tensors of a higher rank.

    Source: `tf.compat.v1.where`.
    """
    if x is not None and y is not None:
        condition = _convert_to_tensor(condition)
        rank = _convert_to_tensor(x).shape.rank
        if condition.shape.rank == 1 and rank is not None and rank > 1:
            condition = reshape(condition, [-1] + [1] * (rank - 1))
    return _where(condition, x, y, name)


# ---- values


def constant(
    value: Any,
    dtype: Any = None,
    shape: Any = None,
    name: str = "Const",
    verify_shape: bool = False,
) -> Tensor:
    """As `tf.constant`.

    Args:
      value: A value.
      dtype: Its dtype.
      shape: A shape that it is reshaped, or filled up with its last element, to.
      name: Name of the op.
      verify_shape: Whether it must have the shape.

    Raises:
      TypeError: It has another shape than it must have.

    Source: `tf.compat.v1.constant`.
    """
    made = _constant(value, dtype, name=name) if shape is None else None
    if made is not None:
        return made
    import numpy as np

    array = np.asarray(value)
    wanted = tuple(int(size) for size in shape)
    if verify_shape and array.shape != wanted:
        raise TypeError(f"Expected Tensor's shape: {wanted}, got {array.shape}.")
    count = int(np.prod(wanted))
    flat = array.ravel()
    if flat.size > count:
        raise ValueError(
            f"Too many elements provided. Needed {count}, got {flat.size}."
        )
    if 0 < flat.size < count:
        flat = np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])
    shaped = flat.reshape(wanted)
    if dtype is None and not isinstance(value, (np.ndarray, np.generic)):
        # As the value itself would be: float32 for Python's floats.
        dtype = _constant(value).dtype if array.size else None
    return _constant(shaped, dtype, name=name)


def convert_to_tensor(
    value: Any,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    dtype_hint: Any = None,
) -> Tensor:
    """As `tf.convert_to_tensor`; `preferred_dtype` is `dtype_hint`.

    Source: `tf.compat.v1.convert_to_tensor`.
    """
    hint = one_of("dtype_hint", dtype_hint, "preferred_dtype", preferred_dtype)
    return _convert_to_tensor(value, dtype, hint, name)


def zeros_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """As `tf.zeros_like`.

    Source: `tf.compat.v1.zeros_like`.
    """
    return _zeros_like(tensor, dtype, name)


def ones_like(
    tensor: Any, dtype: Any = None, name: str | None = None, optimize: bool = True
) -> Tensor:
    """As `tf.ones_like`.

    Source: `tf.compat.v1.ones_like`.
    """
    return _ones_like(tensor, dtype, name)


def multinomial(
    logits: Any,
    num_samples: Any,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: Any = None,
) -> Tensor:
    """As `tf.random.categorical`.

    Source: `tf.compat.v1.multinomial`.
    """
    return categorical(logits, num_samples, output_dtype or int64, seed, name)


# ---- control flow, scopes, writes


def cond(
    pred: Any,
    true_fn: Any = None,
    false_fn: Any = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Any = None,
    fn2: Any = None,
) -> Any:
    """As `tf.cond`; `fn1` and `fn2` are its functions.

    Unless `strict`, a list of one tensor comes back as the tensor.

    Source: `tf.compat.v1.cond`.
    """
    result = _cond(
        pred,
        one_of("true_fn", true_fn, "fn1", fn1),
        one_of("false_fn", false_fn, "fn2", fn2),
        name,
    )
    if not strict and isinstance(result, list) and len(result) == 1:
        return result[0]
    return result


def case(
    pred_fn_pairs: Any,
    default: Any = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """As `tf.case`.

    Source: `tf.compat.v1.case`.
    """
    return _case(pred_fn_pairs, default, exclusive, name)


def name_scope(name: Any, default_name: str | None = None, values: Any = None) -> Any:
    """As `tf.name_scope`; without a name the default one is entered.

    Source: `tf.compat.v1.name_scope`.
    """
    return _name_scope(default_name if name is None else name)


def op_scope(values: Any, name: Any, default_name: str | None = None) -> Any:
    """As `tf.name_scope`.

    Source: `tf.compat.v1.op_scope`.
    """
    return name_scope(name, default_name)


def assign(
    ref: Any,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """Sets a variable; as `ref.assign(value)`.

    Source: `tf.compat.v1.assign`.
    """
    return ref.assign(value, name=name)


def assign_add(
    ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """Adds to a variable; as `ref.assign_add(value)`.

    Source: `tf.compat.v1.assign_add`.
    """
    return ref.assign_add(value, name=name)


def assign_sub(
    ref: Any, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """Subtracts from a variable; as `ref.assign_sub(value)`.

    Source: `tf.compat.v1.assign_sub`.
    """
    return ref.assign_sub(value, name=name)


def while_loop(
    cond: Any,
    body: Any,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeats `body` while `cond` is true; as `tf.while_loop`.

    Args:
      cond: From the loop variables to a scalar bool.
      body: From the loop variables to their next values.
      loop_vars: A nest of tensors: what the loop starts with.
      shape_invariants: Shapes of the loop variables, None where a round may change one.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives.
      swap_memory: Accepted for compatibility.
      name: Name of the op.
      maximum_iterations: The largest number of rounds.
      return_same_structure: Whether a single loop variable comes back in the structure
        that it was given in, as it does in eager mode whatever this says.

    Returns:
      The loop variables at the end; of a single one, in a graph, the tensor itself.

    Source: `tf.compat.v1.while_loop`.
    """
    result = _while_loop(
        cond,
        body,
        loop_vars,
        shape_invariants,
        parallel_iterations,
        back_prop,
        swap_memory,
        maximum_iterations,
        name,
    )
    flat = nest.flatten(result)
    if len(flat) == 1 and not return_same_structure and not executing_eagerly():
        return flat[0]
    return result


def placeholder_with_default(
    input: object, shape: object, name: str | None = None
) -> Tensor:
    """Returns a tensor that has a value unless it is fed another one.

    Source: `tf.compat.v1.placeholder_with_default`.
    """
    made: Any = identity(input, name=name or "PlaceholderWithDefault")
    made.shape = TensorShape(shape)
    with_default: Tensor = made
    return with_default
