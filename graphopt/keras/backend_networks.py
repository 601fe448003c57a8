"""The part of `tf.keras.backend` that layers were once made of: convolutions, pools, resizes.

Each is a function of `tf.nn` with Keras's arguments: `data_format` by its own words, and
`padding` in small letters.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.keras import backend
from graphopt.keras.settings import Settings, reset_names
from graphopt.ops.convolution import conv2d as _conv2d
from graphopt.ops.convolution import conv2d_transpose as _conv2d_transpose
from graphopt.ops.creation import shape, zeros_like
from graphopt.ops.ctc import ctc_loss
from graphopt.ops.depthwise import depthwise_conv2d as _depthwise_conv2d
from graphopt.ops.depthwise import separable_conv2d as _separable_conv2d
from graphopt.ops.diagonal import eye as _eye
from graphopt.ops.elementwise import cast, log
from graphopt.ops.functional import foldl as _foldl
from graphopt.ops.functional import foldr as _foldr
from graphopt.ops.matmul import matmul
from graphopt.ops.padding import pad
from graphopt.ops.printing import print as tf_print
from graphopt.ops.random_stateful import normal as random_normal
from graphopt.ops.random_stateful import uniform as random_uniform
from graphopt.ops.selecting import in_top_k as _in_top_k
from graphopt.ops.shaping import expand_dims, reshape, squeeze, transpose
from graphopt.ops.statistics import batch_normalization as _batch_normalization
from graphopt.ops.statistics import moments
from graphopt.ops.volumes import conv1d as _conv1d
from graphopt.ops.volumes import conv3d as _conv3d
from graphopt.ops.volumes import pool as _pool


def _is_first(data_format: str | None) -> bool:
    data_format = data_format or backend.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"Unknown data_format: {data_format}")
    return data_format == "channels_first"


def _channels_last(x: Any) -> Any:
    """Moves the channels from behind the batch to the end."""
    rank = x.shape.rank
    return transpose(x, [0, *range(2, rank), 1])


def _channels_first(x: Any) -> Any:
    rank = x.shape.rank
    return transpose(x, [0, rank - 1, *range(1, rank - 1)])


def _with_channels_last(x: Any, data_format: str | None, function: Any) -> Any:
    x = hooks.convert(x)
    if not _is_first(data_format):
        return function(x)
    return _channels_first(function(_channels_last(x)))


def _padding(padding: str) -> str:
    if padding not in ("same", "valid"):
        raise ValueError(f"Invalid padding: {padding}; expected 'same' or 'valid'.")
    return padding.upper()


def conv1d(
    x: Any,
    kernel: Any,
    strides: int = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: int = 1,
) -> Any:
    """Returns a convolution of sequences; `padding` may be `"causal"`."""

    def run(x: Any) -> Any:
        mode = padding
        if mode == "causal":
            left = dilation_rate * (kernel.shape[0] - 1)
            x, mode = temporal_padding(x, (left, 0)), "valid"
        return _conv1d(x, kernel, strides, _padding(mode), dilations=dilation_rate)

    return _with_channels_last(x, data_format, run)


def conv2d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns a convolution of images."""

    def run(x: Any) -> Any:
        steps, gaps = list(strides), list(dilation_rate)
        return _conv2d(x, kernel, steps, _padding(padding), dilations=gaps)

    return _with_channels_last(x, data_format, run)


def conv2d_transpose(
    x: Any,
    kernel: Any,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns what `conv2d` has as derivative: images of `output_shape`."""
    sizes = list(output_shape)
    if _is_first(data_format):
        sizes = [sizes[0], *sizes[2:], sizes[1]]

    def run(x: Any) -> Any:
        whole = [shape(x)[0] if sizes[0] is None else sizes[0], *sizes[1:]]
        steps, gaps = list(strides), list(dilation_rate)
        return _conv2d_transpose(
            x, kernel, whole, steps, _padding(padding), dilations=gaps
        )

    return _with_channels_last(x, data_format, run)


def conv3d(
    x: Any,
    kernel: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1, 1),
) -> Any:
    """Returns a convolution of volumes."""
    steps, gaps = [1, *strides, 1], [1, *dilation_rate, 1]
    return _with_channels_last(
        x,
        data_format,
        lambda x: _conv3d(x, kernel, steps, _padding(padding), dilations=gaps),
    )


def depthwise_conv2d(
    x: Any,
    depthwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns a convolution of each channel for itself."""
    steps, gaps = [1, *strides, 1], list(dilation_rate)
    return _with_channels_last(
        x,
        data_format,
        lambda x: _depthwise_conv2d(
            x, depthwise_kernel, steps, _padding(padding), dilations=gaps
        ),
    )


def separable_conv2d(
    x: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    """Returns a convolution of each channel, then of the channels."""
    steps, gaps = [1, *strides, 1], list(dilation_rate)
    return _with_channels_last(
        x,
        data_format,
        lambda x: _separable_conv2d(
            x,
            depthwise_kernel,
            pointwise_kernel,
            steps,
            _padding(padding),
            dilations=gaps,
        ),
    )


def _pool_of(
    x: Any, size: Any, strides: Any, padding: str, data_format: Any, mode: str
) -> Any:
    if mode not in ("max", "avg"):
        raise ValueError(f"Invalid pooling mode: {mode}")
    return _with_channels_last(
        x,
        data_format,
        lambda x: _pool(
            x,
            list(size),
            mode.upper(),
            strides=list(strides),
            padding=_padding(padding),
        ),
    )


def pool2d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum or mean of each window of images."""
    return _pool_of(x, pool_size, strides, padding, data_format, pool_mode)


def pool3d(
    x: Any,
    pool_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    """Returns the maximum or mean of each window of volumes."""
    return _pool_of(x, pool_size, strides, padding, data_format, pool_mode)


# ---- sizes


def temporal_padding(x: Any, padding: Any = (1, 1)) -> Any:
    """Returns sequences with zeros before and after them."""
    before, after = padding
    return pad(x, [[0, 0], [before, after], [0, 0]])


def spatial_2d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Returns images with zeros around them."""
    rows, columns = (list(each) for each in padding)
    return _with_channels_last(
        x, data_format, lambda x: pad(x, [[0, 0], rows, columns, [0, 0]])
    )


def spatial_3d_padding(
    x: Any, padding: Any = ((1, 1), (1, 1), (1, 1)), data_format: str | None = None
) -> Any:
    """Returns volumes with zeros around them."""
    parts = [list(each) for each in padding]
    return _with_channels_last(
        x, data_format, lambda x: pad(x, [[0, 0], *parts, [0, 0]])
    )


def resize_images(
    x: Any,
    height_factor: int,
    width_factor: int,
    data_format: str,
    interpolation: str = "nearest",
) -> Any:
    """Returns images that are larger by whole factors."""
    # `tf.image` lies above this part.
    resize = importlib.import_module("graphopt.image").resize

    def run(x: Any) -> Any:
        sizes = shape(x)[1:3] * np.array([height_factor, width_factor], np.int32)
        return resize(x, sizes, method=interpolation)

    return _with_channels_last(x, data_format, run)


def resize_volumes(
    x: Any, depth_factor: int, height_factor: int, width_factor: int, data_format: str
) -> Any:
    """Returns volumes where each element is repeated."""
    first = 2 if _is_first(data_format) else 1
    for axis, factor in enumerate((depth_factor, height_factor, width_factor), first):
        x = backend.repeat_elements(x, factor, axis)
    return x


# ---- matrices


def batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Returns the product of each example of `x` with that of `y`, summed over two axes.

    Args:
      x: `[batch, ...]`, of rank 2 or more.
      y: `[batch, ...]`, likewise.
      axes: The axis of `x` and that of `y`, or one for both; by default the last of `x`
        and the last but one of `y`.

    Raises:
      ValueError: Bad axes, or sizes that differ.
    """
    x, y = hooks.convert(x), hooks.convert(y)
    ranks = x.shape.rank, y.shape.rank
    if min(ranks) < 2:
        raise ValueError(
            "Cannot do batch_dot on inputs with rank < 2. Received inputs with shapes "
            f"{x.shape} and {y.shape}."
        )
    if axes is None:
        axes = (ranks[0] - 1, max(1, ranks[1] - 2))
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    if any(isinstance(axis, (list, tuple)) for axis in pair):
        raise ValueError(
            "Multiple target dimensions are not supported. Expected: None, int, (int, "
            f"int), Provided: {axes}"
        )
    a, b = (axis % rank for axis, rank in zip(pair, ranks, strict=True))
    if 0 in (a, b):
        raise ValueError(
            "Cannot perform batch_dot over axis 0. If your inputs are not batched, add a "
            "dummy batch dimension to your inputs using K.expand_dims(x, 0)"
        )
    sizes = x.shape[a], y.shape[b]
    if None not in sizes and sizes[0] != sizes[1]:
        raise ValueError(
            f"Cannot do batch_dot on inputs with shapes {x.shape} and {y.shape} with "
            f"axes={[a, b]}: {sizes[0]} != {sizes[1]}."
        )
    left = transpose(x, [i for i in range(ranks[0]) if i != a] + [a])
    right = transpose(y, [0, b] + [i for i in range(1, ranks[1]) if i != b])
    outer = [shape(left)[i] for i in range(1, ranks[0] - 1)]
    inner = [shape(right)[i] for i in range(2, ranks[1])]
    batch = shape(x)[0]
    left = reshape(left, [batch, -1, shape(left)[-1]])
    right = reshape(right, [batch, shape(right)[1], -1])
    result = reshape(matmul(left, right), [batch, *outer, *inner])
    return result if ranks != (2, 2) else expand_dims(result, -1)


def eye(size: int, dtype: Any = None, name: str | None = None) -> Any:
    """Returns a variable that is an identity matrix."""
    kind = dtype or backend.floatx()
    return backend.variable(_eye(size, dtype=kind), kind, name)


# ---- batch normalization


def batch_normalization(
    x: Any,
    mean: Any,
    var: Any,
    beta: Any,
    gamma: Any,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Any:
    """Returns (x - mean) / sqrt(var + epsilon) * gamma + beta."""
    x = hooks.convert(x)
    parts = []
    for part in (mean, var, beta, gamma):
        part = None if part is None else hooks.convert(part)
        is_vector = part is not None and part.shape.rank == 1
        if is_vector and axis not in (-1, x.shape.rank - 1):
            sizes = [1] * x.shape.rank
            sizes[axis] = -1
            part = reshape(part, sizes)
        parts.append(part)
    return _batch_normalization(x, parts[0], parts[1], parts[2], parts[3], epsilon)


def normalize_batch_in_training(
    x: Any, gamma: Any, beta: Any, reduction_axes: Any, epsilon: float = 1e-3
) -> tuple[Any, Any, Any]:
    """Returns a normalized batch, its mean and its variance."""
    x = hooks.convert(x)
    axes = [axis % x.shape.rank for axis in reduction_axes]
    mean, var = moments(x, axes)
    kept = [1 if i in axes else -1 for i in range(x.shape.rank)]
    if sum(size == -1 for size in kept) > 1:
        kept = [1 if i in axes else x.shape[i] for i in range(x.shape.rank)]

    def wide(part: Any) -> Any:
        return None if part is None else reshape(part, kept)

    normed = _batch_normalization(
        x, wide(mean), wide(var), wide(beta), wide(gamma), epsilon
    )
    return normed, mean, var


def moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    """Moves a variable towards a value by `1 - momentum` of the way."""
    value = cast(hooks.convert(value), x.dtype)
    return x.assign_sub((x - value) * (1.0 - momentum))


# ---- random numbers


def random_bernoulli(
    shape: Any, p: float = 0.0, dtype: Any = None, seed: int | None = None
) -> Any:
    """Returns ones with probability p, zeros else."""
    draws = random_uniform(shape, dtype=backend.floatx(), seed=seed)
    return cast(draws <= p, dtype or backend.floatx())


random_binomial = random_bernoulli


def random_normal_variable(
    shape: Any,
    mean: float,
    scale: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns a variable of normal numbers."""
    kind = dtype or backend.floatx()
    draws = random_normal(shape, mean, scale, kind, seed)
    return backend.variable(draws, kind, name)


def random_uniform_variable(
    shape: Any,
    low: float,
    high: float,
    dtype: Any = None,
    name: str | None = None,
    seed: int | None = None,
) -> Any:
    """Returns a variable of uniform numbers."""
    kind = dtype or backend.floatx()
    draws = random_uniform(shape, low, high, kind, seed)
    return backend.variable(draws, kind, name)


# ---- functions and losses


def function(
    inputs: Any,
    outputs: Any,
    updates: Any = None,
    name: str | None = None,
    **kwargs: Any,
) -> Callable[[Any], Any]:
    """Returns a function from values of inputs to those of outputs, as NumPy arrays.

    Args:
      inputs: What `tf.keras.Input` returned, a list of such; placeholders in a graph.
      outputs: What layers returned for them.
      updates: In a graph, ops that run with it.
      name: Accepted for compatibility.
      **kwargs: Passed to `Session.run`, in a graph.

    Raises:
      ValueError: Updates or keywords in eager mode.
    """
    if building_graph() is not None:
        return _graph_function(inputs, outputs, updates or [], kwargs)
    if updates or kwargs:
        raise ValueError(
            "`updates` and Session keyword arguments are not supported during eager "
            f"execution. You passed: {updates}, {kwargs}"
        )
    from graphopt.keras.models import Model

    model = Model(inputs, outputs)
    alone = isinstance(outputs, list) and len(outputs) == 1

    def call(values: Any) -> Any:
        found = model(values)
        if isinstance(found, (list, tuple)):
            return [each.numpy() for each in found]
        return [found.numpy()] if alone else found.numpy()

    return call


def _graph_function(
    inputs: Any, outputs: Any, updates: Any, kwargs: Any
) -> Callable[[Any], Any]:
    feeds = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]

    def call(values: Any) -> Any:
        given = values if isinstance(inputs, (list, tuple)) else [values]
        feed = dict(zip(feeds, given, strict=True))
        found, _ = backend.get_session().run([outputs, list(updates)], feed, **kwargs)
        return found

    return call


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """Returns `x` outside of training, `alt` in it."""
    return backend.in_train_phase(alt, x, training)


@contextlib.contextmanager
def learning_phase_scope(value: Any) -> Iterator[None]:
    """Sets the learning phase for a block."""
    before = Settings.learning_phase
    backend.set_learning_phase(value)
    try:
        yield
    finally:
        Settings.learning_phase = before


def print_tensor(x: Any, message: str = "", summarize: int = 3) -> Any:
    """Prints a tensor when it is computed, and returns it."""
    x = hooks.convert(x)
    done = tf_print(message, x, output_stream=sys.stdout, summarize=summarize)
    graph = building_graph()
    if graph is None:
        return x
    with graph.control_dependencies([done]):
        return x + zeros_like(x)


def foldl(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """Returns fn(... fn(fn(initializer, elems[0]), elems[1]) ..., elems[-1])."""
    return _foldl(fn, elems, initializer=initializer)


def foldr(fn: Any, elems: Any, initializer: Any = None, name: str | None = None) -> Any:
    """The same as `foldl`, from the last element to the first."""
    return _foldr(fn, elems, initializer=initializer)


def in_top_k(predictions: Any, targets: Any, k: int) -> Any:
    """Returns whether each target is one of the k largest predictions."""
    return _in_top_k(targets, predictions, k)


def ctc_batch_cost(
    y_true: Any, y_pred: Any, input_length: Any, label_length: Any
) -> Any:
    """Returns the CTC loss of each sequence, `[batch, 1]`.

    Args:
      y_true: `[batch, labels]`, integers.
      y_pred: `[batch, steps, classes]`, probabilities; the last class is the blank.
      input_length: `[batch, 1]`: how many steps there are.
      label_length: `[batch, 1]`: how many labels there are.
    """
    y_pred = hooks.convert(y_pred)
    labels, steps = (
        cast(squeeze(hooks.convert(each), -1), "int32")
        for each in (label_length, input_length)
    )
    losses = ctc_loss(
        cast(hooks.convert(y_true), "int32"),
        log(y_pred + backend.epsilon()),
        labels,
        steps,
        logits_time_major=False,
        blank_index=-1,
    )
    return expand_dims(losses, 1)


def is_sparse(tensor: Any) -> bool:
    """Whether it is a sparse tensor."""
    return type(tensor).__name__ == "SparseTensor"


def to_dense(tensor: Any) -> Any:
    """Returns a sparse tensor as a dense one, and others as they are."""
    if not is_sparse(tensor):
        return tensor
    return importlib.import_module("graphopt.sparse").to_dense(tensor)


def reset_uids() -> None:
    """Starts naming layers from the beginning."""
    reset_names()


def categorical_focal_crossentropy(
    target: Any,
    output: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    axis: int = -1,
) -> Any:
    """Returns the cross entropy of each row, where easy examples count less."""
    from graphopt.keras.losses import crossentropy

    return crossentropy.categorical_focal_crossentropy(
        target, output, alpha, gamma, from_logits, axis=axis
    )
