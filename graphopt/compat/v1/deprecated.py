"""Names that TensorFlow 1 had for what has another name now, and small functions.

Each is a line or two over a function of version 2.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.shape import TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor
from graphopt.keras.initializers import VarianceScaling
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.creation import constant_value, convert_to_tensor
from graphopt.ops.diagonal import diag as _matrix_diag
from graphopt.ops.einsum import norm
from graphopt.ops.elementwise import cast, divide, floordiv, less, less_equal, multiply
from graphopt.ops.elementwise import maximum as _maximum
from graphopt.ops.printing import print as _print
from graphopt.ops.reduction import reduce_all
from graphopt.ops.shaping import identity, reshape, stack
from graphopt.ops.special import lgamma
from graphopt.ops.state import group
from graphopt.runtime.collections import (
    control_dependencies,
    get_collection,
    global_variables,
    global_variables_initializer,
    variables_initializer,
)

floor_div = floordiv
realdiv = divide
initialize_all_variables = global_variables_initializer
initialize_variables = variables_initializer
all_variables = global_variables


def div(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Divides as Python 2 did: integers downwards, floats exactly.

    Source: `tf.compat.v1.div`.
    """
    x = convert_to_tensor(x)
    y = convert_to_tensor(y, dtype_hint=x.dtype)
    return floordiv(x, y, name) if x.dtype.is_integer else divide(x, y, name)


def to_float(x: Any, name: str | None = None) -> Tensor:
    """Casts to float32.

    Source: `tf.compat.v1.to_float`.
    """
    return cast(x, dtypes.float32, name)


def to_double(x: Any, name: str | None = None) -> Tensor:
    """Casts to float64.

    Source: `tf.compat.v1.to_double`.
    """
    return cast(x, dtypes.float64, name)


def to_int32(x: Any, name: str | None = None) -> Tensor:
    """Casts to int32.

    Source: `tf.compat.v1.to_int32`.
    """
    return cast(x, dtypes.int32, name)


def to_int64(x: Any, name: str | None = None) -> Tensor:
    """Casts to int64.

    Source: `tf.compat.v1.to_int64`.
    """
    return cast(x, dtypes.int64, name)


def to_complex64(x: Any, name: str | None = None) -> Tensor:
    """Casts to complex64.

    Source: `tf.compat.v1.to_complex64`.
    """
    return cast(x, dtypes.complex64, name)


def to_complex128(x: Any, name: str | None = None) -> Tensor:
    """Casts to complex128.

    Source: `tf.compat.v1.to_complex128`.
    """
    return cast(x, dtypes.complex128, name)


def clip_by_average_norm(t: Any, clip_norm: Any, name: str | None = None) -> Tensor:
    """Scales a tensor so that its norm, divided by its size, is at most a number.

    Source: `tf.compat.v1.clip_by_average_norm`.
    """
    t = convert_to_tensor(t)
    count = t.shape.num_elements()
    if count is None:
        raise NotImplementedError("clip_by_average_norm of a tensor of unknown size.")
    average = norm(t) / float(count)
    return multiply(t, clip_norm / _maximum(average, clip_norm), name=name)


def scalar_mul(scalar: Any, x: Any, name: str | None = None) -> Any:
    """Multiplies a tensor, or IndexedSlices, with a scalar.

    Source: `tf.math.scalar_mul`.
    """
    if isinstance(x, IndexedSlices):
        values = multiply(scalar, x.values, name)
        return IndexedSlices(values, x.indices, x.dense_shape)
    return multiply(scalar, x, name)


def diag(diagonal: Any, name: str | None = None) -> Tensor:
    """Returns a tensor of twice the rank with a tensor on its diagonal.

    Source: `tf.linalg.tensor_diag`.
    """
    diagonal = convert_to_tensor(diagonal)
    shape = diagonal.shape.as_list()
    if len(shape) == 1:
        return _matrix_diag(diagonal, name=name)
    return reshape(_matrix_diag(reshape(diagonal, [-1])), [*shape, *shape], name)


def diag_part(input: Any, name: str | None = None) -> Tensor:
    """Returns the diagonal of a tensor whose dimensions repeat.

    Source: `tf.linalg.tensor_diag_part`.
    """
    from graphopt.ops.diagonal import diag_part as matrix_diag_part

    input = convert_to_tensor(input)
    shape = input.shape.as_list()
    half = shape[: len(shape) // 2]
    if [*half, *half] != shape or None in shape:
        raise ValueError(f"diag_part: {input.shape} is no shape that repeats.")
    count = int(np.prod(half))
    return reshape(matrix_diag_part(reshape(input, [count, count])), half, name)


def lbeta(x: Any, name: str | None = None) -> Any:
    """Returns the logarithm of the beta function along the last axis.

    Source: `tf.math.lbeta`.
    """
    from graphopt.ops.reduction import reduce_sum

    x = convert_to_tensor(x)
    total = lgamma(reduce_sum(x, -1))
    return identity(reduce_sum(lgamma(x), -1) - total, name=name)


def ensure_shape(x: Any, shape: Any, name: str | None = None) -> Tensor:
    """Returns a tensor whose shape is known to be compatible with another one.

    Raises:
      ValueError: It is known not to be.
      InvalidArgumentError: In the run it turns out not to be.

    Source: `tf.ensure_shape`.
    """
    from graphopt.ops.assertions import assert_equal
    from graphopt.ops.creation import shape as shape_of
    from graphopt.ops.shape_assertions import assert_rank

    x, wanted = convert_to_tensor(x), TensorShape(shape)
    known = x.shape.merge_with(wanted)
    if wanted.rank is None or x.shape.is_fully_defined():
        return identity(x, name=name)
    checks = [assert_rank(x, wanted.rank)] if x.shape.rank is None else []
    sizes = shape_of(x)
    for index, size in enumerate(wanted.as_list()):
        if size is not None:
            text = f"ensure_shape: dimension {index} is not {size}"
            checks.append(assert_equal(sizes[index], size, message=text))
    with control_dependencies([check for check in checks if check is not None]):
        made = identity(x, name=name)
    if building_graph() is not None:
        made.set_shape(known)
    return made


def broadcast_dynamic_shape(shape_x: Any, shape_y: Any) -> Any:
    """Returns the shape of two tensors that are broadcast, from tensors of their shapes.

    Source: `tf.broadcast_dynamic_shape`.
    """
    x, y = constant_value(shape_x), constant_value(shape_y)
    if x is not None and y is not None:
        found = broadcast_shapes(TensorShape(x.tolist()), TensorShape(y.tolist()))
        if found is None:
            raise ValueError(f"Incompatible shapes: {x.tolist()} and {y.tolist()}.")
        return convert_to_tensor(np.array(found.as_list(), np.int32))
    a, b = convert_to_tensor(shape_x), convert_to_tensor(shape_y)
    if a.shape != b.shape or a.shape.rank is None:
        raise NotImplementedError(
            "broadcast_dynamic_shape of shapes of different ranks that only the run knows."
        )
    return _maximum(a, b)


def identity_n(input: Any, name: str | None = None) -> list[Any]:
    """Returns tensors as they are.

    Source: `tf.identity_n`.
    """
    return [identity(each) for each in input]


def tuple(
    tensors: Any, name: str | None = None, control_inputs: Any = None
) -> list[Any]:
    """Returns tensors, none of which has a value before all have.

    Source: `tf.tuple`.
    """
    given = [each for each in tensors if each is not None]
    with control_dependencies([*given, *(control_inputs or ())]):
        made = iter([identity(each) for each in given])
    return [None if each is None else next(made) for each in tensors]


def parallel_stack(values: Any, name: str = "parallel_stack") -> Tensor:
    """As `tf.stack` along the first axis.

    Source: `tf.parallel_stack`.
    """
    return stack(values, name=name)


def batch_gather(params: Any, indices: Any, name: str | None = None) -> Tensor:
    """As `tf.gather` with all dimensions of the indices but the last as a batch.

    Source: `tf.compat.v1.batch_gather`.
    """
    from graphopt.ops.indexing import gather

    rank: Any = convert_to_tensor(indices).shape.rank
    return gather(params, indices, axis=rank - 1, batch_dims=rank - 1, name=name)


def is_non_decreasing(x: Any, name: str | None = None) -> Tensor:
    """Returns whether no element is less than the one before it.

    Source: `tf.math.is_non_decreasing`.
    """
    flat = reshape(x, [-1])
    return reduce_all(less_equal(flat[:-1], flat[1:]), name=name)


def is_strictly_increasing(x: Any, name: str | None = None) -> Tensor:
    """Returns whether each element is greater than the one before it.

    Source: `tf.math.is_strictly_increasing`.
    """
    flat = reshape(x, [-1])
    return reduce_all(less(flat[:-1], flat[1:]), name=name)


def Print(
    input_: Any,
    data: Any,
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Any:
    """Returns a tensor, and prints others when it has its value.

    Args:
      input_: The tensor.
      data: Tensors to print.
      message: Printed before them.
      first_n: How often at most; None or below 0 for always.
      summarize: How many elements of each.
      name: Name of the op.

    Source: `tf.compat.v1.Print`.
    """
    if first_n is not None and first_n >= 0:
        raise NotImplementedError(
            "tf.Print(first_n=...): count the runs in the program."
        )
    parts = [message] if message else []
    printed = _print(*parts, *data, summarize=summarize or 3, sep="")
    with control_dependencies([] if printed is None else [printed]):
        return identity(input_, name=name or "Print")


# ---- variables and scopes


def initialize_local_variables() -> Any:
    """Returns an op that initializes local variables.

    Source: `tf.compat.v1.initialize_local_variables`.
    """
    return variables_initializer(get_collection("local_variables"), name="init_local")


def tables_initializer(name: str = "init_all_tables") -> Any:
    """Returns an op that initializes all tables of the graph.

    Source: `tf.compat.v1.tables_initializer`.
    """
    return group(*get_collection("table_initializer"), name=name)


initialize_all_tables = tables_initializer


def assert_variables_initialized(var_list: Any = None) -> Any:
    """Returns None: a run that reads a variable without a value raises.

    Source: `tf.compat.v1.assert_variables_initialized`.
    """
    return


def add_to_collections(names: Any, value: Any) -> None:
    """Appends a value to several collections of the current graph.

    Source: `tf.compat.v1.add_to_collections`.
    """
    for name in [names] if isinstance(names, str) else set(names):
        get_default_graph().add_to_collection(name, value)


def get_collection_ref(key: Any) -> list[Any]:
    """Returns the list of a collection itself.

    Source: `tf.compat.v1.get_collection_ref`.
    """
    return get_default_graph().get_collection_ref(key)


def colocate_with(op: Any, ignore_existing: bool = False) -> Any:
    """Does nothing: there is one device.

    Source: `tf.compat.v1.colocate_with`.
    """
    return contextlib.nullcontext()


def container(container_name: str) -> Any:
    """Does nothing: variables belong to sessions.

    Source: `tf.compat.v1.container`.
    """
    return contextlib.nullcontext()


@contextlib.contextmanager
def variable_op_scope(
    values: Any, name_or_scope: Any, default_name: str | None = None, **options: Any
) -> Iterator[Any]:
    """As `tf.variable_scope`.

    Source: `tf.compat.v1.variable_op_scope`.
    """
    with variable_scope(name_or_scope, default_name, **options) as scope:
        yield scope


def make_template(
    name_: str,
    func_: Callable[..., Any],
    create_scope_now_: bool = False,
    unique_name_: str | None = None,
    custom_getter_: Any = None,
    **kwargs: Any,
) -> Callable[..., Any]:
    """Returns a function whose variables are made by its first call and used by others.

    Args:
      name_: The scope of the variables.
      func_: The function.
      create_scope_now_: Whether the scope is made unique now, not by the first call.
      unique_name_: The scope, as it is.
      custom_getter_: As in `tf.variable_scope`.
      **kwargs: Arguments of the function.

    Source: `tf.compat.v1.make_template`.
    """
    state = SimpleNamespace(scope=None, is_called=False)
    call = functools.partial(func_, **kwargs)

    def enter() -> Any:
        return variable_scope(unique_name_, name_, custom_getter=custom_getter_)

    if create_scope_now_:
        with enter() as state.scope:
            pass

    def template(*arguments: Any, **named: Any) -> Any:
        if state.scope is None:
            with enter() as state.scope:
                result = call(*arguments, **named)
            state.is_called = True
            return result
        scope = state.scope
        options = {"reuse": True} if state.is_called else {}
        with variable_scope(scope, **options):  # type: ignore[arg-type]
            result = call(*arguments, **named)
        state.is_called = True
        return result

    return functools.wraps(func_)(template)


def no_regularizer(_: Any) -> None:
    """A regularizer that adds nothing.

    Source: `tf.compat.v1.no_regularizer`.
    """
    return


def NotDifferentiable(op_type: str) -> None:
    """Does nothing: ops say themselves whether they have a derivative.

    Source: `tf.no_gradient`.
    """


NoGradient = no_gradient = NotDifferentiable


def get_seed(op_seed: int | None) -> Any:
    """Returns the seed of the graph and that of an op, None where there is none.

    Source: `tf.compat.v1.get_seed`.
    """
    graph_seed = get_default_graph().seed
    if graph_seed is None and op_seed is None:
        return None, None
    default = 87654321
    return (default if graph_seed is None else graph_seed), op_seed


def get_static_value(tensor: Any, partial: bool = False) -> Any:
    """Returns the value of a tensor as an array if it is known now, else None.

    Source: `tf.get_static_value`.
    """
    return constant_value(tensor)


def is_symbolic_tensor(tensor: Any) -> bool:
    """Returns whether a tensor is one of a graph.

    Source: `tf.is_symbolic_tensor`.
    """
    from graphopt.graph.tensor import GraphTensor

    return isinstance(tensor, GraphTensor)


def enable_resource_variables() -> None:
    """Does nothing: all variables are.

    Source: `tf.compat.v1.enable_resource_variables`.
    """


def disable_resource_variables() -> None:
    """Does nothing: all variables are resources.

    Source: `tf.compat.v1.disable_resource_variables`.
    """


def resource_variables_enabled() -> bool:
    """Returns True.

    Source: `tf.compat.v1.resource_variables_enabled`.
    """
    return True


def enable_control_flow_v2() -> None:
    """Does nothing: loops and branches are ops with bodies.

    Source: `tf.compat.v1.enable_control_flow_v2`.
    """


disable_control_flow_v2 = enable_control_flow_v2


def control_flow_v2_enabled() -> bool:
    """Returns True.

    Source: `tf.compat.v1.control_flow_v2_enabled`.
    """
    return True


def executing_eagerly_outside_functions() -> bool:
    """Returns whether ops run at once where no function is traced.

    Source: `tf.compat.v1.executing_eagerly_outside_functions`.
    """
    graph = building_graph()
    return graph is None or bool(graph.building_function)


class uniform_unit_scaling_initializer(VarianceScaling):
    """Uniform numbers that keep the scale of what they multiply.

    Source: `tf.compat.v1.uniform_unit_scaling_initializer`.
    """

    def __init__(
        self, factor: float = 1.0, seed: int | None = None, dtype: Any = None
    ) -> None:
        super().__init__(factor**2, "fan_in", "uniform", seed)


class AggregationMethod:
    """How gradients are added: always in the order of the ops.

    Source: `tf.AggregationMethod`.
    """

    ADD_N = DEFAULT = 0
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


def reverse_v2(tensor: Any, axis: Any, name: str | None = None) -> Tensor:
    """As `tf.reverse`.

    Source: `tf.reverse`.
    """
    from graphopt.ops.padding import reverse

    return reverse(tensor, axis, name)


def guarantee_const(input: Any, name: str | None = None) -> Tensor:
    """Returns a tensor.

    Source: `tf.guarantee_const`.
    """
    return identity(input, name=name)


def fixed_size_partitioner(num_shards: int, axis: int = 0) -> Callable[..., list[int]]:
    """Returns a function that says in how many parts a variable is cut.

    Variables are one array here: `get_variable` refuses parts, see COMPAT.md.

    Source: `tf.compat.v1.fixed_size_partitioner`.
    """

    def partition(shape: Any, **_options: Any) -> list[int]:
        parts = [1] * len(shape)
        parts[axis] = min(num_shards, int(shape[axis]))
        return parts

    return partition
