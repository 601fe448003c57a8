"""`tf.keras.backend`: functions that custom losses and layers call.

Each is a function of `tf` by another name, with Keras's arguments.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.graph.context import get_default_graph, modes, reset_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras.functional import forget_symbols
from graphopt.keras.settings import Settings, reset_names
from graphopt.ops import activations as _activations
from graphopt.ops import creation as _creation
from graphopt.ops import elementwise as _elementwise
from graphopt.ops import nn as _nn
from graphopt.ops import random_stateful as _random
from graphopt.ops import reduction as _reduction
from graphopt.ops import selecting as _selecting
from graphopt.ops import shaping as _shaping
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.cond import cond as _cond
from graphopt.ops.elementwise import abs as abs
from graphopt.ops.elementwise import cast as _cast
from graphopt.ops.elementwise import cos as cos
from graphopt.ops.elementwise import equal as equal
from graphopt.ops.elementwise import exp as exp
from graphopt.ops.elementwise import greater as greater
from graphopt.ops.elementwise import greater_equal as greater_equal
from graphopt.ops.elementwise import less as less
from graphopt.ops.elementwise import less_equal as less_equal
from graphopt.ops.elementwise import log as log
from graphopt.ops.elementwise import maximum as maximum
from graphopt.ops.elementwise import minimum as minimum
from graphopt.ops.elementwise import not_equal as not_equal
from graphopt.ops.elementwise import pow as pow
from graphopt.ops.elementwise import round as round
from graphopt.ops.elementwise import sigmoid as sigmoid
from graphopt.ops.elementwise import sign as sign
from graphopt.ops.elementwise import sin as sin
from graphopt.ops.elementwise import softplus as softplus
from graphopt.ops.elementwise import sqrt as _sqrt
from graphopt.ops.elementwise import square as square
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.indexing import gather as gather
from graphopt.ops.indexing import one_hot as one_hot
from graphopt.ops.padding import tile as tile
from graphopt.ops.scan import cumprod as cumprod
from graphopt.ops.scan import cumsum as cumsum
from graphopt.ops.shaping import reshape as reshape
from graphopt.ops.shaping import stack as stack
from graphopt.ops.shaping import transpose as transpose
from graphopt.ops.statistics import l2_normalize as _l2_normalize
from graphopt.ops.statistics import reduce_logsumexp as _logsumexp
from graphopt.ops.statistics import reduce_std as _std
from graphopt.ops.statistics import reduce_variance as _variance
from graphopt.runtime.names import get_default_session
from graphopt.runtime.names import name_scope as name_scope
from graphopt.runtime.variable import Variable

# ---- settings


def clear_session() -> None:
    """Forgets names of layers, the learning phase, and the graph unless it is in use."""
    reset_names()
    Settings.learning_phase = None
    forget_symbols()
    Settings.uids.clear()
    Settings.session = None
    if not [graph for graph in modes.stack if graph is not None]:
        reset_default_graph()


def epsilon() -> float:
    """Returns the small number that Keras adds, 1e-7 unless it was set."""
    return Settings.epsilon


def set_epsilon(value: float) -> None:
    """Sets what `epsilon` returns."""
    Settings.epsilon = float(value)


def floatx() -> str:
    """Returns the name of the default dtype."""
    return Settings.floatx


def set_floatx(value: str) -> None:
    """Sets what `floatx` returns, and functions of this module take by default.

    Raises:
      ValueError: It is no float.
    """
    if value not in ("float16", "float32", "float64"):
        raise ValueError(f"Unknown `floatx` value: {value!r}.")
    Settings.floatx = value


def cast_to_floatx(x: Any) -> Any:
    """Returns an array or tensor in the default dtype."""
    if isinstance(x, (Tensor, Variable)):
        return _cast(x, floatx())
    return np.asarray(x, floatx())


def image_data_format() -> str:
    """Returns `"channels_last"`, unless it was set."""
    return Settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets what `image_data_format` returns.

    Raises:
      ValueError: It is neither `"channels_last"` nor `"channels_first"`.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise ValueError(f"Unknown `data_format`: {data_format!r}.")
    Settings.image_data_format = data_format


def learning_phase() -> Any:
    """Returns 1 while training, else 0; what `set_learning_phase` set."""
    return Settings.learning_phase or 0


def set_learning_phase(value: Any) -> None:
    """Sets what `learning_phase` returns: 0 or 1."""
    if value not in (0, 1):
        raise ValueError("Expected learning phase to be 0 or 1.")
    Settings.learning_phase = value


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns x while training, else another value; both may be functions."""
    phase = learning_phase() if training is None else training
    if isinstance(phase, (bool, int)):
        chosen = x if phase else alt
        return chosen() if callable(chosen) else chosen
    return switch(phase, x, alt)


def get_uid(prefix: str = "") -> int:
    """Returns how often it was called with a prefix."""
    Settings.uids[prefix] = Settings.uids.get(prefix, 0) + 1
    return Settings.uids[prefix]


def get_session(op_input_list: Any = ()) -> Any:
    """Returns the session of graphs: the default one, or one that Keras made.

    Variables of the graph that have no value yet are initialized in it, unless
    `manual_variable_initialization(True)` was called.

    Source: `tf.compat.v1.keras.backend.get_session`.
    """
    from graphopt.runtime.session import Session

    found = get_default_session() or Settings.session
    if found is None or (
        found is Settings.session and found.graph is not get_default_graph()
    ):
        found = Settings.session = Session()
    if not Settings.initializes_by_hand:
        store = found.store
        waiting = [v for v in found.graph.variables if not store.is_initialized(v.key)]
        if waiting:
            found.run([variable.initializer for variable in waiting])
    return found


def set_session(session: Any) -> None:
    """Sets what `get_session` returns.

    Source: `tf.compat.v1.keras.backend.set_session`.
    """
    Settings.session = session


# ---- variables and values


def variable(
    value: Any, dtype: Any = None, name: str | None = None, constraint: Any = None
) -> Any:
    """Returns a variable."""
    return Variable(
        np.asarray(value, dtype or floatx()), name=name, constraint=constraint
    )


def constant(
    value: Any, dtype: Any = None, shape: Any = None, name: str | None = None
) -> Tensor:
    """Returns a constant in the default dtype."""
    return _creation.constant(value, dtype or floatx(), shape, name)


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
    ragged: bool = False,
) -> Tensor:
    """Returns a placeholder of a graph."""
    if sparse or ragged:
        raise NotImplementedError("keras.backend.placeholder: dense ones only.")
    if shape is None and ndim:
        shape = [None] * ndim
    return _creation.placeholder(dtype or floatx(), shape, name)


def get_value(x: Any) -> Any:
    """Returns the value of a variable or tensor."""
    if getattr(x, "graph", None) is None:
        return x.numpy() if hasattr(x, "numpy") else x
    return x.eval() if get_default_session() else get_session().run(x)


eval = get_value


def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """Returns the values of variables or tensors."""
    return [get_value(each) for each in tensors]


def set_value(x: Any, value: Any) -> None:
    """Sets a variable."""
    x.load(value, None if x.graph is None else get_session())


def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """Sets variables."""
    for each, value in tuples:
        set_value(each, value)


def update(x: Any, new_x: Any) -> Any:
    """Sets a variable; as `x.assign`."""
    return x.assign(new_x)


def update_add(x: Any, increment: Any) -> Any:
    """Adds to a variable."""
    return x.assign_add(increment)


def update_sub(x: Any, decrement: Any) -> Any:
    """Subtracts from a variable."""
    return x.assign_sub(decrement)


def gradients(loss: Any, variables: Any) -> Any:
    """Returns derivatives in a graph; as `tf.gradients`."""
    from graphopt.autodiff.gradients import gradients as derive

    return derive(loss, variables)


def stop_gradient(variables: Any) -> Any:
    """Returns tensors as constants to derivatives."""
    if isinstance(variables, (list, tuple)):
        return [_shaping.stop_gradient(each) for each in variables]
    return _shaping.stop_gradient(variables)


# ---- shapes


def shape(x: Any) -> Tensor:
    """Returns the shape as a tensor."""
    return _creation.shape(x)


def int_shape(x: Any) -> tuple[int | None, ...] | None:
    """Returns the shape as a tuple, None for sizes that are not known."""
    found = x.shape
    return None if found.rank is None else tuple(found.as_list())


def ndim(x: Any) -> int | None:
    """Returns the rank."""
    found: int | None = x.shape.rank
    return found


def dtype(x: Any) -> str:
    """Returns the name of the dtype."""
    return str(as_dtype(x.dtype).name)


def count_params(x: Any) -> int:
    """Returns the number of elements."""
    return int(np.prod(x.shape.as_list()))


def cast(x: Any, dtype: Any) -> Tensor:
    """Returns a tensor in another dtype."""
    return _cast(x, dtype)


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Variable:
    """Returns a variable of zeros."""
    return Variable(np.zeros(tuple(shape), dtype or floatx()), name=name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Variable:
    """Returns a variable of ones."""
    return Variable(np.ones(tuple(shape), dtype or floatx()), name=name)


def zeros_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Returns zeros of the shape of a tensor."""
    return _creation.zeros_like(x, dtype, name)


def ones_like(x: Any, dtype: Any = None, name: str | None = None) -> Tensor:
    """Returns ones of the shape of a tensor."""
    return _creation.ones_like(x, dtype, name)


def flatten(x: Any) -> Tensor:
    """Returns all elements as a vector."""
    return reshape(x, [-1])


def batch_flatten(x: Any) -> Tensor:
    """Returns a matrix with a row for each element of the first dimension."""
    sizes = x.shape.as_list()[1:]
    return reshape(x, [-1, int(np.prod(sizes))])


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """Inserts a dimension of size 1."""
    return _shaping.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Tensor:
    """Removes a dimension of size 1."""
    return _shaping.squeeze(x, [axis])


def permute_dimensions(x: Any, pattern: Any) -> Tensor:
    """Returns a tensor with its dimensions in another order."""
    return transpose(x, perm=pattern)


def concatenate(tensors: Any, axis: int = -1) -> Tensor:
    """Joins tensors along an axis."""
    return _shaping.concat(list(tensors), axis)


def repeat(x: Any, n: int) -> Tensor:
    """Repeats the rows of a matrix along a new second dimension."""
    return tile(_shaping.expand_dims(x, 1), [1, n, 1])


def repeat_elements(x: Any, rep: int, axis: int) -> Tensor:
    """Repeats elements along an axis."""
    from graphopt.ops.repeating import repeat as repeat_each

    return repeat_each(x, rep, axis)


def reverse(x: Any, axes: Any) -> Tensor:
    """Reverses axes."""
    from graphopt.ops.padding import reverse as flip

    return flip(x, [axes] if isinstance(axes, int) else axes)


def arange(start: Any, stop: Any = None, step: int = 1, dtype: Any = "int32") -> Tensor:
    """Returns a vector of numbers from start to stop."""
    from graphopt.ops.sequences import range as sequence

    start, stop = (0, start) if stop is None else (start, stop)
    return _cast(sequence(start, stop, step), dtype)


# ---- arithmetic


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_all`."""
    return _reduction.reduce_all(x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_any`."""
    return _reduction.reduce_any(x, axis, keepdims)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_logsumexp`."""
    return _logsumexp(x, axis, keepdims)


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_max`."""
    return _reduction.reduce_max(x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_min`."""
    return _reduction.reduce_min(x, axis, keepdims)


def prod(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_prod`."""
    return _reduction.reduce_prod(x, axis, keepdims)


def std(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.math.reduce_std`."""
    return _std(x, axis, keepdims)


def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.reduce_sum`."""
    return _reduction.reduce_sum(x, axis, keepdims)


def var(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """As `tf.math.reduce_variance`."""
    return _variance(x, axis, keepdims)


def mean(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
    """Returns means along axes; of bools, how many are true."""
    if as_dtype(x.dtype).is_bool:
        x = _cast(x, floatx())
    return _reduction.reduce_mean(x, axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Tensor:
    """Returns the places of the largest elements along an axis."""
    return _selecting.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Tensor:
    """Returns the places of the smallest elements along an axis."""
    return _selecting.argmin(x, axis)


def sqrt(x: Any) -> Tensor:
    """Returns square roots; of what is below 0, 0."""
    return _sqrt(_elementwise.maximum(x, _cast(0.0, x.dtype)))


def clip(x: Any, min_value: Any, max_value: Any) -> Tensor:
    """Returns elements within bounds."""
    return clip_by_value(
        x,
        -np.inf if min_value is None else min_value,
        np.inf if max_value is None else max_value,
    )


def dot(x: Any, y: Any) -> Tensor:
    """Returns the product of the last axis of x and the last but one of y."""
    from graphopt.ops.einsum import tensordot
    from graphopt.ops.matmul import matmul

    rank = y.shape.rank
    if x.shape.rank == 2 and rank == 2:
        return matmul(x, y)
    return tensordot(x, y, [[x.shape.rank - 1], [0 if rank == 1 else rank - 2]])


def l2_normalize(x: Any, axis: Any = None) -> Tensor:
    """Returns a tensor divided by its norms."""
    return _l2_normalize(x, axis)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Tensor:
    """Returns one of two values, elementwise or as a whole."""
    rank = getattr(condition.shape, "rank", len(condition.shape))
    if rank == 0:

        def as_function(value: Any) -> Callable[[], Any]:
            return value if callable(value) else lambda: value

        return _cond(
            condition, as_function(then_expression), as_function(else_expression)
        )
    parts = [e() if callable(e) else e for e in (then_expression, else_expression)]
    return _elementwise.where(condition, *parts)


# ---- networks


def relu(
    x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """Returns max(x, 0), or with a slope below, an upper bound or a threshold."""
    if threshold:
        above = _cast(greater(x, threshold), x.dtype)
        made = x * above + alpha * (x - threshold) * (1.0 - above)
    elif alpha:
        made = _activations.leaky_relu(x, alpha)
    else:
        made = _elementwise.relu(x)
    return made if max_value is None else minimum(made, max_value)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Returns x, or alpha * (exp(x) - 1) below 0."""
    made = _activations.elu(x)
    if alpha == 1.0:
        return made
    return _elementwise.where(greater(x, 0.0), made, alpha * made)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Returns softmax along an axis."""
    return _nn.softmax(x, axis)


def softsign(x: Any) -> Tensor:
    """Returns x / (1 + abs(x))."""
    return _activations.softsign(x)


def hard_sigmoid(x: Any) -> Tensor:
    """Returns 0.2 * x + 0.5 within 0 and 1."""
    return clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def bias_add(x: Any, bias: Any, data_format: str | None = None) -> Tensor:
    """Adds a vector along the channels."""
    last = (data_format or image_data_format()) == "channels_last"
    return _nn.bias_add(x, bias, "NHWC" if last else "NCHW")


def dropout(
    x: Any, level: Any, noise_shape: Any = None, seed: int | None = None
) -> Tensor:
    """Sets a share of elements to 0, and scales the others."""
    from graphopt.ops.dropout import dropout as drop

    return drop(x, level, noise_shape, seed)


def _losses() -> Any:
    """The functions of losses, which use this module and are loaded at the first use."""
    from graphopt.keras.losses import crossentropy

    return crossentropy


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """Returns the cross entropy of each element."""
    target, output = _pair(target, output)
    return _losses().binary_entropies(
        target, output, from_logits, "binary_crossentropy"
    )


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """Returns the cross entropy along an axis."""
    return _losses().categorical_crossentropy(target, output, from_logits, axis=axis)


def sparse_categorical_crossentropy(
    target: Any,
    output: Any,
    from_logits: bool = False,
    axis: int = -1,
    ignore_class: int | None = None,
) -> Tensor:
    """Returns the cross entropy along an axis; targets are classes."""
    return _losses().sparse_categorical_crossentropy(
        target, output, from_logits, axis, ignore_class
    )


def _pair(target: Any, output: Any) -> tuple[Any, Any]:
    output = hooks.convert(output)
    return hooks.convert(target, dtype_hint=output.dtype), output


def random_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Returns normal random numbers."""
    return _random.normal(shape, mean, stddev, dtype or floatx(), seed)


def random_uniform(
    shape: Any,
    minval: float = 0.0,
    maxval: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Returns uniform random numbers."""
    return _random.uniform(shape, minval, maxval, dtype or floatx(), seed)


def truncated_normal(
    shape: Any,
    mean: float = 0.0,
    stddev: float = 1.0,
    dtype: Any = None,
    seed: Any = None,
) -> Tensor:
    """Returns normal random numbers within two standard deviations."""
    return _random.truncated_normal(shape, mean, stddev, dtype or floatx(), seed)


def map_fn(fn: Any, elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """Calls a function with each element of the first dimension; as `tf.map_fn`."""
    from graphopt.ops.functional import map_fn as over

    return over(fn, elems, dtype=dtype, name=name)


def manual_variable_initialization(value: bool) -> None:
    """Sets whether the program initializes the variables of graphs, and Keras does not."""
    Settings.initializes_by_hand = bool(value)


def is_keras_tensor(x: Any) -> bool:
    """Returns whether something is a tensor of a functional model."""
    from graphopt.keras import functional

    return functional.is_keras_tensor(x)


def backend() -> str:
    """Returns `"tensorflow"`, whose names these are."""
    return "tensorflow"


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # What few programs call.
        module = importlib.import_module("graphopt.keras.backend_networks")
        found = None if name.startswith("_") else getattr(module, name, None)
        if getattr(found, "__module__", None) != module.__name__:
            raise AttributeError(f"module 'tf.keras.backend' has no attribute {name!r}")
        return found
