"""`tf.contrib.layers`: fully connected layers and what is made of any layers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1.layers import Dense
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.activations import elu as _elu
from graphopt.ops.activations import relu6 as _relu6
from graphopt.ops.elementwise import relu as _relu
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope
from graphopt.v1.contrib.layers.utils import (
    XAVIER,
    ZEROS,
    finish_layer,
    variable_getter,
)

RENAMED = {"kernel": "weights", "bias": "biases"}


@add_arg_scope
def fully_connected(
    inputs: Any,
    num_outputs: int,
    activation_fn: Any = _relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Returns activation_fn(inputs @ weights + biases), of variables that it makes.

    Args:
      inputs: `[batch, ..., size]`.
      num_outputs: The size of the outputs.
      activation_fn: A function; ReLU by default, None for none.
      normalizer_fn: A function that is called in the place of a bias, as `batch_norm`.
      normalizer_params: Its arguments.
      weights_initializer: For the weights, `[size, num_outputs]`.
      weights_regularizer: Makes a term of the loss of them.
      biases_initializer: For the biases; None for none.
      biases_regularizer: Makes a term of the loss of them.
      reuse: Whether the variables of the scope exist.
      variables_collections: Names of collections for all variables, or a dict of lists
        of them by "weights" and "biases".
      outputs_collections: Names of collections for the outputs.
      trainable: Whether the variables are trainable.
      scope: Name of the scope; `fully_connected`, numbered, by default.

    Returns:
      `[batch, ..., num_outputs]`.

    Raises:
      ValueError: `num_outputs` is no integer, or the size of the inputs is not known.

    Source: `tf.contrib.layers.fully_connected`.
    """
    if not isinstance(num_outputs, int):
        number = getattr(num_outputs, "__index__", None)
        if number is None:
            raise fail(
                ValueError,
                "num_outputs type should be int",
                got=repr(num_outputs),
                site=str(user_site()),
            )
        num_outputs = number()
    with variable_scope(
        scope, "fully_connected", reuse=reuse, custom_getter=variable_getter(RENAMED)
    ) as own:
        inputs = hooks.convert(inputs)
        layer = Dense(
            num_outputs,
            use_bias=not normalizer_fn and biases_initializer is not None,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=own.name,
            dtype=inputs.dtype,
            _scope=own,
            _reuse=reuse,
        )
        return finish_layer(
            layer,
            layer(inputs),
            RENAMED,
            variables_collections,
            normalizer_fn,
            normalizer_params,
            activation_fn,
            outputs_collections,
            own.name,
        )


# As in TensorFlow, argument scopes of `fully_connected` reach these as well.
linear = functools.partial(fully_connected, activation_fn=None)
relu = functools.partial(fully_connected, activation_fn=_relu)
relu6 = functools.partial(fully_connected, activation_fn=_relu6)
elu = functools.partial(fully_connected, activation_fn=_elu)


def repeat(
    inputs: Any,
    repetitions: int,
    layer: Callable[..., Any],
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Applies a layer several times, each with variables of its own.

    Args:
      inputs: What the first gets.
      repetitions: How many there are.
      layer: A function of `tf.contrib.layers`.
      *args, **kwargs: Its arguments; `scope` is the start of all scopes.

    Source: `tf.contrib.layers.repeat`.
    """
    scope = kwargs.pop("scope", None)
    with variable_scope(scope, "Repeat"):
        outputs = hooks.convert(inputs)
        name = scope or _name_of(layer, "repeat")
        for number in range(1, repetitions + 1):
            outputs = layer(outputs, *args, **{**kwargs, "scope": f"{name}_{number}"})
        return outputs


def _name_of(layer: Any, default: str) -> str:
    function = getattr(layer, "func", layer)
    return str(getattr(layer, "__name__", getattr(function, "__name__", default)))


def stack(
    inputs: Any, layer: Callable[..., Any], stack_args: Sequence[Any], **kwargs: Any
) -> Any:
    """Applies a layer once for each of several lists of arguments.

    Args:
      inputs: What the first gets.
      layer: A function of `tf.contrib.layers`.
      stack_args: What each gets beside its inputs: one argument or a list.
      **kwargs: What all get; `scope` is the scope around all.

    Source: `tf.contrib.layers.stack`.
    """
    scope = kwargs.pop("scope", None)
    if not isinstance(stack_args, (list, tuple)):
        raise ValueError("stack_args need to be a list or tuple.")
    with variable_scope(scope, "Stack"):
        outputs = hooks.convert(inputs)
        name = scope or _name_of(layer, "stack")
        for number, arguments in enumerate(stack_args, 1):
            own = arguments if isinstance(arguments, (list, tuple)) else [arguments]
            outputs = layer(outputs, *own, **{**kwargs, "scope": f"{name}_{number}"})
        return outputs
