"""What many layers share: arguments that are names or objects, and the switch `training`.

A constructor hands its arguments to `set_options`, which makes objects of names; `get_config`
makes names and plain values of them again, so that a layer lists its arguments once, in
`config_names`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphopt.dtypes import bool_
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras import activations, backend, constraints, initializers, regularizers
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.layers.base import Layer
from graphopt.ops.elementwise import cast, where
from graphopt.ops.shaping import reshape
from graphopt.runtime.variable import Variable

# From the end of an argument's name to the module that knows what it may be.
_KINDS: dict[str, Any] = {
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
    "activation": activations,
}


def _kind_of(name: str) -> Any:
    return _KINDS.get(name.rpartition("_")[2])


class OptionLayer(Layer):
    """A layer that lists its arguments in `config_names`.

    Attributes:
      config_names: The arguments of the constructor that `get_config` returns, besides
        those of `Layer`.
    """

    config_names: tuple[str, ...] = ()

    # Attributes of several layers, which `set_options` sets.
    activation: Any
    recurrent_activation: Any
    kernel_initializer: Any
    kernel_regularizer: Any
    kernel_constraint: Any
    recurrent_initializer: Any
    recurrent_regularizer: Any
    recurrent_constraint: Any
    bias_initializer: Any
    bias_regularizer: Any
    bias_constraint: Any
    gamma_initializer: Any
    gamma_regularizer: Any
    gamma_constraint: Any
    beta_initializer: Any
    beta_regularizer: Any
    beta_constraint: Any
    depthwise_initializer: Any
    depthwise_regularizer: Any
    depthwise_constraint: Any
    pointwise_initializer: Any
    pointwise_regularizer: Any
    pointwise_constraint: Any

    def set_options(self, **options: Any) -> None:
        """Sets attributes; of names of activations, initializers and so on, objects."""
        for name, value in options.items():
            kind = _kind_of(name)
            setattr(self, name, value if kind is None else kind.get(value))

    def add_named_weight(
        self, name: str, shape: Any, option: str | None = None, **more: Any
    ) -> Variable:
        """Makes a weight with the initializer, regularizer and constraint of its name.

        Args:
          name: Its name.
          shape: Its shape.
          option: What the names of the options begin with; `name` by default.
          **more: As in `add_weight`.
        """
        option = option or name
        options = {
            "initializer": getattr(self, f"{option}_initializer"),
            "regularizer": getattr(self, f"{option}_regularizer", None),
            "constraint": getattr(self, f"{option}_constraint", None),
        }
        return self.add_weight(name=name, shape=shape, **{**options, **more})

    def keep_update(self, update: Any) -> None:
        """Keeps an op that changes the layer's state, where a program has to run it.

        In TensorFlow 2 it has happened, or is part of the function that is traced.
        """
        if is_in_v1_graph():
            self.add_update(update)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor as plain values."""
        return self.config_of(self.config_names)

    def config_of(self, names: Sequence[str]) -> dict[str, Any]:
        """Returns arguments as plain values, beside those of `Layer`."""
        config: dict[str, Any] = super().get_config()
        for name in names:
            kind, value = _kind_of(name), getattr(self, name)
            config[name] = value if kind is None else kind.serialize(value)
        return config


# ---- training


def read_switch(training: Any) -> Any:
    """Returns `training` as a bool, or as a scalar tensor of bools."""
    if isinstance(training, Variable):
        training = training.read_value()
    if not isinstance(training, Tensor):
        return bool(training)
    if not training.dtype.is_bool:
        training = cast(training, bool_)
    # `tf.placeholder(tf.bool)` has no shape.
    return training if training.shape.rank == 0 else reshape(training, [])


def choose(
    training: Any, when_training: Callable[[], Any], otherwise: Callable[[], Any]
) -> Any:
    """Returns one of two results of functions; of both, elementwise, by a tensor.

    A condition would cut the step into pieces to save a mask; a choice of elements is one
    kernel with what comes next.
    """
    training = read_switch(training)
    if not isinstance(training, Tensor):
        return when_training() if training else otherwise()
    return where(training, when_training(), otherwise())


# ---- sizes and layouts


def read_data_format(data_format: Any, default: str | None = None) -> str:
    """Returns `"channels_last"` or `"channels_first"`.

    Raises:
      ValueError: It is something else.
    """
    if data_format is None:
        data_format = default or backend.image_data_format()
    known = ("channels_last", "channels_first")
    if isinstance(data_format, str) and data_format.lower() in known:
        return data_format.lower()
    raise fail(
        ValueError,
        "The `data_format` argument must be one of 'channels_first', 'channels_last'",
        got=repr(data_format),
        expected="'channels_last' or 'channels_first'",
        site=str(user_site()),
    )


def read_numbers(
    value: Any, count: int, name: str, allow_zero: bool = False
) -> tuple[int, ...]:
    """Returns an integer, or a tuple of them, as a tuple of `count` integers.

    Raises:
      ValueError: It is something else.
    """
    error = fail(
        ValueError,
        f"The `{name}` argument must be a tuple of {count} integers",
        got=repr(value),
        expected=f"an integer, or {count} of them, "
        + ("none below 0" if allow_zero else "all positive"),
        site=str(user_site()),
    )
    try:
        numbers = [value] * count if not hasattr(value, "__len__") else list(value)
        read = tuple(int(v) for v in numbers)
    except (TypeError, ValueError):
        raise error from None
    if len(read) != count or any(
        r != v or r < (0 if allow_zero else 1)
        for r, v in zip(read, numbers, strict=True)
    ):
        raise error
    return read


def require(value: Any, is_right: bool, name: str, expected: str) -> None:
    """Raises unless an argument is right.

    Raises:
      ValueError: It is not.
    """
    if not is_right:
        raise fail(
            ValueError,
            f"Invalid value received for argument `{name}`",
            got=repr(value),
            expected=expected,
            site=str(user_site()),
        )
