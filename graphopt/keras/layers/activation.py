"""Activations with parameters, as layers."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras import backend
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import OptionLayer
from graphopt.ops.activations import leaky_relu
from graphopt.ops.elementwise import cast, exp, greater, relu, where
from graphopt.ops.nn import softmax
from graphopt.ops.statistics import reduce_logsumexp


class _Activation(OptionLayer):
    """A layer whose outputs have the shape of its inputs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def _require(self, is_right: bool, text: str, value: Any) -> None:
        if not is_right:
            raise fail(
                ValueError,
                f"{text}. Received: {value}",
                got=repr(value),
                expected="a number",
                site=str(user_site()),
            )


class ReLU(_Activation):
    """max(x, 0), with a slope below, an upper bound and a threshold.

    Args:
      max_value: The upper bound; None for none.
      negative_slope: The slope below the threshold.
      threshold: Where the line begins.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.ReLU(max_value=1.0, negative_slope=0.5)
    >>> layer(tf.constant([-3.0, 0.5, 2.0])).numpy().tolist()
    [-1.5, 0.5, 1.0]

    Source: `tf.keras.layers.ReLU`.
    """

    config_names = ("max_value", "negative_slope", "threshold")

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (
            ("max_value", 0.0 if max_value is None else max_value),
            ("negative_slope", negative_slope),
            ("threshold", threshold),
        ):
            text = f"{name} of a ReLU layer cannot be a negative value"
            self._require(value is not None and value >= 0.0, text, value)
        self.max_value = max_value
        self.negative_slope, self.threshold = negative_slope, threshold

    def call(self, inputs: Any) -> Any:
        """Returns the bounded inputs."""
        return backend.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(_Activation):
    """x above 0, alpha * x below.

    Args:
      alpha: The slope below 0.
      **kwargs: As in `Layer`; `negative_slope` is another name of alpha.

    Source: `tf.keras.layers.LeakyReLU`; Maas et al., 2013.
    """

    config_names = ("alpha",)

    def __init__(self, alpha: float = 0.3, **kwargs: Any) -> None:
        alpha = kwargs.pop("negative_slope", alpha)
        super().__init__(**kwargs)
        text = "The alpha value of a Leaky ReLU layer cannot be None. Expecting a float"
        self._require(alpha is not None, text, alpha)
        self.alpha = float(alpha)

    def call(self, inputs: Any) -> Any:
        """Returns the inputs, less where they are negative."""
        return leaky_relu(inputs, self.alpha)


class PReLU(_Activation):
    """x above 0, alpha * x below, where alpha is trained.

    Args:
      alpha_initializer: For alpha, of the shape of an example.
      alpha_regularizer: Makes a term of `losses` of it.
      alpha_constraint: Applied to it after each update.
      shared_axes: Axes along which alpha is the same, from 1.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.PReLU`; He et al., 2015.
    """

    alpha_initializer: Any
    alpha_regularizer: Any
    alpha_constraint: Any
    config_names = (
        "alpha_initializer",
        "alpha_regularizer",
        "alpha_constraint",
        "shared_axes",
    )

    def __init__(
        self,
        alpha_initializer: Any = "zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_options(
            alpha_initializer=alpha_initializer,
            alpha_regularizer=alpha_regularizer,
            alpha_constraint=alpha_constraint,
        )
        if shared_axes is not None and not isinstance(shared_axes, (list, tuple)):
            shared_axes = [shared_axes]
        self.shared_axes = None if shared_axes is None else list(shared_axes)
        self.alpha: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes alpha."""
        shape = TensorShape(input_shape)
        shared = self.shared_axes or []
        sizes = [1 if i in shared else size for i, size in enumerate(shape)][1:]
        if None in sizes:
            raise fail(
                ValueError,
                f"The dimensions of inputs of PReLU layer {self.name!r} must be known",
                got=f"shape {shape}",
                site=str(user_site()),
                remedy="shared_axes, for those that are not",
            )
        self.alpha = self.add_named_weight("alpha", sizes)
        axes = {i: shape[i] for i in range(1, len(shape)) if i not in shared}
        self.input_spec = InputSpec(ndim=len(shape), axes=axes)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the inputs, less where they are negative."""
        return relu(inputs) - self.alpha * relu(-inputs)


class ELU(_Activation):
    """x above 0, alpha * (exp(x) - 1) below.

    Args:
      alpha: What it tends to below 0, with the other sign.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ELU`; Clevert et al., 2016.
    """

    config_names = ("alpha",)

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        text = "Alpha of an ELU layer cannot be None, expecting a float"
        self._require(alpha is not None, text, alpha)
        self.alpha = float(alpha)

    def call(self, inputs: Any) -> Any:
        """Returns the inputs, bounded below."""
        return backend.elu(inputs, self.alpha)


class ThresholdedReLU(_Activation):
    """x above a threshold, 0 elsewhere.

    Args:
      theta: The threshold.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ThresholdedReLU`; Konda et al., 2015.
    """

    config_names = ("theta",)

    def __init__(self, theta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        text = "Theta of a Thresholded ReLU layer cannot be None, expecting a float"
        self._require(theta is not None, text, theta)
        text = "The theta value of a Thresholded ReLU layer should be >=0"
        self._require(theta >= 0.0, text, theta)
        self.theta = float(theta)

    def call(self, inputs: Any) -> Any:
        """Returns what is above the threshold."""
        return where(greater(inputs, self.theta), inputs, 0.0)


# What is added to a masked logit, so that its share is 0.
_MASKED = {"float16": -65504.0 / 2}


def mask_logits(inputs: Any, mask: Any) -> Any:
    """Returns logits that are far below the others where a mask is false."""
    low = _MASKED.get(inputs.dtype.name, -1e9)
    return inputs + (1.0 - cast(mask, inputs.dtype)) * low


class Softmax(_Activation):
    """exp(x), divided by the sum along an axis.

    Args:
      axis: The axis, or axes.
      robust_masking: Accepted for compatibility.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Softmax()(tf.constant([1.0, 1.0])).numpy().tolist()
    [0.5, 0.5]

    Source: `tf.keras.layers.Softmax`.
    """

    config_names = ("axis",)

    def __init__(
        self, axis: Any = -1, robust_masking: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the shares; 0 where `mask` is false."""
        if mask is not None:
            inputs = mask_logits(inputs, mask)
        axis = self.axis
        if isinstance(axis, (list, tuple)):
            if len(axis) > 1:
                return exp(inputs - reduce_logsumexp(inputs, list(axis), keepdims=True))
            axis = axis[0]
        return softmax(inputs, axis)
