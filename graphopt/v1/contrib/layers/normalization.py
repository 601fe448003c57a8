"""`tf.contrib.layers`: normalization by batches, layers, instances and groups."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.layers.base import choose, read_switch
from graphopt.compat.v1.layers.normalization import BatchNormalization
from graphopt.dtypes import float16, float32
from graphopt.errors import fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast, rsqrt, where
from graphopt.ops.normalizing import bessel_factor
from graphopt.ops.shaping import identity, reshape, transpose
from graphopt.ops.statistics import batch_normalization, moments, weighted_moments
from graphopt.runtime.collections import GraphKeys, control_dependencies
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope
from graphopt.v1.contrib.framework.variables import model_variable
from graphopt.v1.contrib.layers.utils import (
    ZEROS,
    channels_of,
    check_format,
    collect_named_outputs,
    constant_value,
    finish_layer,
    get_variable_collections,
    variable_getter,
)

_ONES = "ones"
_KINDS = {
    "moving_mean": "moving_mean",
    "moving_variance": "moving_variance",
    "beta": "beta",
    "gamma": "gamma",
}


@add_arg_scope
def batch_norm(
    inputs: Any,
    decay: Any = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Any = None,
    param_initializers: Any = None,
    param_regularizers: Any = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: Any = 0.99,
    adjustment: Any = None,
) -> Any:
    """Normalizes by the moments of the batch, or, unless training, by their averages.

    Args:
      inputs: `[batch, ..., channels]`.
      decay: How much of an average is kept.
      center: Whether there is a beta, which is added.
      scale: Whether there is a gamma, which multiplies.
      epsilon: Keeps the root from 0.
      activation_fn: A function of the outputs.
      param_initializers: By "beta", "gamma", "moving_mean", "moving_variance".
      param_regularizers: By "beta" and "gamma".
      updates_collections: Where the ops go that move the averages; None: the outputs wait
        for them.
      is_training: Whether the moments are those of the batch: a bool or a tensor.
      reuse, variables_collections, outputs_collections: As in `fully_connected`.
      trainable: Whether beta and gamma are trainable.
      batch_weights: How much each example counts for the moments.
      fused: Whether averages are of the unbiased variance, by default if possible.
      data_format: "NHWC", or "NCHW" for channels after the batch.
      zero_debias_moving_mean: Must be False.
      scope: Name of the scope; `BatchNorm`, numbered, by default.
      renorm, renorm_clipping, renorm_decay, adjustment: Must be left out.

    Raises:
      NotImplementedError: `zero_debias_moving_mean`, `renorm` or `adjustment` is given.

    Source: `tf.contrib.layers.batch_norm`; Ioffe and Szegedy, 2015.
    """
    if zero_debias_moving_mean:
        raise NotImplementedError("batch_norm(zero_debias_moving_mean=True).")
    check_format(data_format)
    inputs = hooks.convert(inputs)
    rank = inputs.shape.rank
    asked = True if fused is None else bool(fused)
    fused = asked and batch_weights is None and rank in (2, 4)
    initializers = param_initializers or {}
    regularizers = param_regularizers or {}
    if (
        updates_collections == GraphKeys.UPDATE_OPS
        and batch_weights is None
        and not (fused and rank == 2)
    ):
        with variable_scope(
            scope, "BatchNorm", reuse=reuse, custom_getter=variable_getter()
        ) as own:
            layer = BatchNormalization(
                axis=1 if data_format == "NCHW" else -1,
                momentum=decay,
                epsilon=epsilon,
                center=center,
                scale=scale,
                beta_initializer=initializers.get("beta", ZEROS),
                gamma_initializer=initializers.get("gamma", _ONES),
                moving_mean_initializer=initializers.get("moving_mean", ZEROS),
                moving_variance_initializer=initializers.get("moving_variance", _ONES),
                beta_regularizer=regularizers.get("beta"),
                gamma_regularizer=regularizers.get("gamma"),
                trainable=trainable,
                renorm=renorm,
                adjustment=adjustment,
                name=own.name,
                fused=asked,
                _scope=own,
                _reuse=reuse,
            )
            return finish_layer(
                layer,
                layer(inputs, training=is_training),
                _KINDS,
                variables_collections,
                None,
                None,
                activation_fn,
                outputs_collections,
                own.name,
            )
    if renorm or adjustment is not None:
        raise NotImplementedError(
            "batch_norm with renorm or adjustment; leave them out."
        )
    with variable_scope(scope, "BatchNorm", reuse=reuse) as own:
        parameters = _parameters(
            inputs,
            1 if data_format == "NCHW" else -1,
            "batch_norm",
            center,
            scale,
            initializers,
            regularizers,
            variables_collections,
            trainable,
            float32 if fused or inputs.dtype is float16 else inputs.dtype,
        )
        outputs = _by_own_moments(
            inputs,
            parameters,
            decay,
            epsilon,
            updates_collections,
            is_training,
            batch_weights,
            bool(fused),
            data_format,
        )
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, own.name, outputs)


def _parameters(
    inputs: Any,
    axis: int,
    what: str,
    center: bool,
    scale: bool,
    initializers: dict[str, Any],
    regularizers: dict[str, Any],
    variables_collections: Any,
    trainable: bool,
    dtype: Any,
) -> dict[str, Any]:
    """Makes beta, gamma and the averages."""
    shape = [channels_of(inputs, axis, what)]
    made: dict[str, Any] = {"beta": None, "gamma": None}
    kinds = {
        "beta": center,
        "gamma": scale,
        "moving_mean": True,
        "moving_variance": True,
    }
    for kind, is_there in kinds.items():
        if not is_there:
            continue
        start = _ONES if kind in ("gamma", "moving_variance") else ZEROS
        made[kind] = model_variable(
            kind,
            shape=shape,
            dtype=dtype,
            initializer=initializers.get(kind, start),
            regularizer=regularizers.get(kind),
            collections=get_variable_collections(variables_collections, kind),
            trainable=trainable and not kind.startswith("moving"),
        )
    return made


def _by_own_moments(
    inputs: Any,
    parameters: dict[str, Any],
    decay: Any,
    epsilon: float,
    updates_collections: Any,
    is_training: Any,
    batch_weights: Any,
    fused: bool,
    data_format: str,
) -> Any:
    rank = inputs.shape.rank
    axis = 1 if data_format == "NCHW" and rank > 2 else rank - 1
    others = [i for i in range(rank) if i != axis]
    averages = parameters["moving_mean"], parameters["moving_variance"]
    old = [average.read_value() for average in averages]
    x = cast(inputs, old[0].dtype)
    mean, variance = old
    updates: list[Any] = []
    is_training = read_switch(is_training)
    known = constant_value(is_training)
    if known is None or known:
        if batch_weights is None:
            found = moments(x, others)
        else:
            weights = hooks.convert(batch_weights)
            weights = reshape(cast(weights, x.dtype), [-1, *[1] * (rank - 1)])
            found = weighted_moments(x, others, weights)
        unbiased = found[1]
        if fused:
            moved = x if axis == rank - 1 else transpose(x, [*others, axis])
            unbiased = unbiased * bessel_factor(moved, unbiased.dtype)
        training = is_training if known is None else True
        pairs = zip(averages, (found[0], unbiased), strict=True)
        updates = [_move(v, moment, decay, training) for v, moment in pairs]
        mean = choose(training, lambda: found[0], lambda: old[0])
        variance = choose(training, lambda: found[1], lambda: old[1])

    def spread(vector: Any) -> Any:
        if vector is None or axis == rank - 1:
            return vector
        return reshape(vector, [-1 if i == axis else 1 for i in range(rank)])

    beta, gamma = parameters["beta"], parameters["gamma"]
    outputs = batch_normalization(
        x, spread(mean), spread(variance), spread(beta), spread(gamma), epsilon
    )
    outputs = cast(outputs, inputs.dtype)
    if updates_collections is None:
        with control_dependencies(updates):
            return identity(outputs)
    for update in updates:
        get_default_graph().add_to_collections(updates_collections, update)
    return outputs


def _move(average: Any, moment: Any, decay: Any, training: Any) -> Any:
    """Moves an average towards a moment, in training."""
    change = (average - moment) * (1 - decay)
    if isinstance(training, Tensor):
        change = where(training, change, zeros_like(change))
    return average.assign_sub(change, name="AssignMovingAvg", read_value=False)


def _offset_and_scale(
    inputs: Any,
    shape: Any,
    center: bool,
    scale: bool,
    initializers: dict[str, Any],
    variables_collections: Any,
    trainable: bool,
) -> list[Any]:
    found: list[Any] = []
    for kind, is_there, start in (("beta", center, ZEROS), ("gamma", scale, _ONES)):
        made = None
        if is_there:
            made = model_variable(
                kind,
                shape=shape,
                dtype=inputs.dtype,
                initializer=initializers.get(kind, start),
                collections=get_variable_collections(variables_collections, kind),
                trainable=trainable,
            )
        found.append(made)
    return found


@add_arg_scope
def layer_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    activation_fn: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Any:
    """Normalizes each example by the moments of its own elements.

    Args:
      inputs: `[batch, ...]`.
      center, scale: Whether there is a beta, and a gamma.
      activation_fn: A function of the outputs.
      reuse, variables_collections, outputs_collections, trainable: As in
        `fully_connected`.
      begin_norm_axis: The first dimension over which moments are taken.
      begin_params_axis: The first dimension of beta and gamma.
      scope: Name of the scope; `LayerNorm`, numbered, by default.

    Raises:
      ValueError: A dimension does not exist, or the sizes of beta are not known.

    Source: `tf.contrib.layers.layer_norm`; Ba, Kiros and Hinton, 2016.
    """
    with variable_scope(scope, "LayerNorm", reuse=reuse) as own:
        inputs = hooks.convert(inputs)
        rank = inputs.shape.rank
        if rank is None:
            raise ValueError(f"Inputs {inputs.name} has undefined rank.")
        first = begin_norm_axis + rank if begin_norm_axis < 0 else begin_norm_axis
        if begin_params_axis >= rank or first >= rank:
            raise ValueError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({first}) "
                f"must be < rank(inputs) ({rank})."
            )
        shape = inputs.shape[begin_params_axis:]
        if None in shape:
            raise fail(
                ValueError,
                f"shape(inputs)[{begin_params_axis}:] is not fully defined: {inputs.shape}",
                got=f"shape {inputs.shape}",
                site=str(user_site()),
            )
        beta, gamma = _offset_and_scale(
            inputs, shape, center, scale, {}, variables_collections, trainable
        )
        mean, variance = moments(inputs, list(range(first, rank)), keepdims=True)
        epsilon = 1e-3 if inputs.dtype is float16 else 1e-12
        outputs = batch_normalization(inputs, mean, variance, beta, gamma, epsilon)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, own.name, outputs)


@add_arg_scope
def instance_norm(
    inputs: Any,
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Normalizes each channel of each image by its own moments.

    Args:
      inputs: `[batch, ..., channels]`.
      center, scale: Whether there is a beta, and a gamma.
      epsilon: Keeps the root from 0.
      activation_fn: A function of the outputs.
      param_initializers: By "beta" and "gamma".
      reuse, variables_collections, outputs_collections, trainable: As in
        `fully_connected`.
      data_format: "NHWC", or "NCHW" for channels after the batch.
      scope: Name of the scope; `InstanceNorm`, numbered, by default.

    Source: `tf.contrib.layers.instance_norm`; Ulyanov et al., 2016.
    """
    check_format(data_format)
    inputs = hooks.convert(inputs)
    rank = len(inputs.shape)
    axis = 1 if data_format == "NCHW" else rank - 1
    with variable_scope(scope, "InstanceNorm", reuse=reuse) as own:
        shape = [channels_of(inputs, axis, "instance_norm")]
        found = _offset_and_scale(
            inputs,
            shape,
            center,
            scale,
            param_initializers or {},
            variables_collections,
            trainable,
        )
        if axis == 1:
            wide = [1, *shape, *[1] * (rank - 2)]
            found = [None if v is None else reshape(v, wide) for v in found]
        axes = [i for i in range(1, rank) if i != axis]
        mean, variance = moments(inputs, axes, keepdims=True)
        outputs = batch_normalization(
            inputs, mean, variance, found[0], found[1], epsilon, name="instancenorm"
        )
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, own.name, outputs)


@add_arg_scope
def group_norm(
    inputs: Any,
    groups: int = 32,
    channels_axis: int = -1,
    reduction_axes: Any = (-3, -2),
    center: bool = True,
    scale: bool = True,
    epsilon: float = 1e-6,
    activation_fn: Any = None,
    param_initializers: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    mean_close_to_zero: bool = False,
) -> Any:
    """Normalizes groups of channels of each image by their own moments.

    Args:
      inputs: `[batch, ..., channels]`.
      groups: How many groups of channels there are.
      channels_axis: Which dimension they are.
      reduction_axes: The dimensions over which moments are taken beside it.
      center, scale, epsilon, activation_fn, param_initializers: As in `instance_norm`.
      reuse, variables_collections, outputs_collections, trainable: Likewise.
      scope: Name of the scope; `GroupNorm`, numbered, by default.
      mean_close_to_zero: Accepted; moments are always taken in two passes.

    Raises:
      ValueError: The channels are no multiple of the groups, or an axis is wrong.

    Source: `tf.contrib.layers.group_norm`; Wu and He, 2018.
    """
    inputs = hooks.convert(inputs)
    rank = len(inputs.shape)
    axis = channels_axis + rank if channels_axis < 0 else channels_axis
    axes = [a + rank if a < 0 else a for a in reduction_axes]
    if axis in axes or not all(0 <= a < rank for a in [axis, *axes]):
        raise ValueError(
            "reduction_axis must be mutually exclusive with channels_axis."
        )
    channels = channels_of(inputs, axis, "group_norm")
    if groups > channels or channels % groups:
        raise fail(
            ValueError,
            f"{channels} channels is not commensurate with {groups} groups",
            got=f"{channels} channels and {groups} groups",
            site=str(user_site()),
            remedy="a number of groups that divides the channels",
        )
    sizes = _sizes(inputs)
    parts = [groups, channels // groups]
    x = reshape(inputs, [*sizes[:axis], *parts, *sizes[axis + 1 :]])
    with variable_scope(scope, "GroupNorm", reuse=reuse) as own:
        wide = [*[1] * axis, *parts, *[1] * (rank - axis - 1)]
        beta, gamma = (
            None if v is None else reshape(v, wide)
            for v in _offset_and_scale(
                inputs,
                [channels],
                center,
                scale,
                param_initializers or {},
                variables_collections,
                trainable,
            )
        )
        over = [axis + 1, *[a + 1 if a > axis else a for a in axes]]
        mean, variance = moments(x, over, keepdims=True)
        gain = rsqrt(variance + epsilon)
        gain = gain if gamma is None else gain * gamma
        offset = -mean * gain
        offset = offset if beta is None else offset + beta
        outputs = reshape(x * gain + offset, sizes)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, own.name, outputs)


def _sizes(x: Any) -> list[Any]:
    if list(x.shape).count(None) <= 1:
        return [-1 if size is None else size for size in x.shape]
    dims = shape_of(x)
    return [dims[i] if size is None else size for i, size in enumerate(x.shape)]
