"""`EinsumDense`: a kernel, a bias and an activation, with a product as an equation says."""

from __future__ import annotations

import re
from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.options import OptionLayer
from graphopt.ops.einsum import einsum


class EinsumDense(OptionLayer):
    """activation(einsum(equation, inputs, kernel) + bias).

    Args:
      equation: As "ab,bc->ac"; the first operand is the inputs, the second the kernel. An
        ellipsis stands for any dimensions.
      output_shape: The shape of the outputs without the batch; None where it is that of
        the inputs.
      activation: A name or function; None for none.
      bias_axes: The letters of the outputs that the bias has; None for no bias.
      kernel_initializer, bias_initializer: For the kernel and the bias.
      kernel_regularizer, bias_regularizer: Make terms of `losses` of them.
      activity_regularizer: Makes one of the outputs.
      kernel_constraint, bias_constraint: Applied after each update.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: The equation does not fit the shapes.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.EinsumDense("abc,cd->abd", [None, 64], bias_axes="d")
    >>> layer(tf.ones([2, 3, 4])).shape
    TensorShape([2, 3, 64])

    Source: `tf.keras.layers.EinsumDense`.
    """

    config_names = (
        "output_shape",
        "equation",
        "activation",
        "bias_axes",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.equation, self.bias_axes = equation, bias_axes
        is_one = isinstance(output_shape, int) or output_shape is None
        self.partial_output_shape = [output_shape] if is_one else list(output_shape)
        self._given = output_shape if is_one else list(output_shape)
        self.set_options(
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes the kernel and the bias."""
        inputs, kernel, outputs = self._letters(TensorShape(input_shape))
        sizes = dict(zip(inputs, TensorShape(input_shape), strict=True))
        of_outputs = dict(zip(outputs[1:], self.partial_output_shape, strict=True))
        for letter, size in of_outputs.items():
            known = sizes.get(letter)
            if None not in (known, size) and known != size:
                raise self._mismatch(input_shape)
            sizes[letter] = known if size is None else size
        missing = [letter for letter in kernel if sizes.get(letter) is None]
        if missing:
            raise fail(
                ValueError,
                f"Sizes of the kernel of layer {self.name!r} cannot be determined",
                got=f"equation {self.equation!r}, inputs of shape {input_shape} and "
                f"output_shape={self.partial_output_shape}",
                expected=f"known sizes of {', '.join(missing)}",
                site=str(user_site()),
            )
        self.kernel = self.add_named_weight("kernel", [sizes[c] for c in kernel])
        if self.bias_axes:
            unknown = set(self.bias_axes) - set(outputs)
            if unknown:
                raise fail(
                    ValueError,
                    f"Bias dimension {', '.join(sorted(unknown))!r} was requested, but is "
                    f"not part of the output specification of {self.equation!r}",
                    got=f"bias_axes={self.bias_axes!r}",
                    site=str(user_site()),
                )
            first = min(outputs.index(c) for c in self.bias_axes)
            shape = [sizes[c] if c in self.bias_axes else 1 for c in outputs[first:]]
            self.bias = self.add_named_weight("bias", shape)
        self.built = True

    def _letters(self, shape: TensorShape) -> tuple[str, str, str]:
        """The letters of inputs, kernel and outputs, those of an ellipsis included."""
        found = re.fullmatch(
            r"([a-zA-Z.]+),([a-zA-Z.]+)->([a-zA-Z.]+)", self.equation.replace(" ", "")
        )
        if found is None:
            raise fail(
                ValueError,
                "Invalid einsum equation",
                got=repr(self.equation),
                expected="one as 'ab,bc->ac', or with an ellipsis",
                site=str(user_site()),
            )
        inputs, kernel, outputs = found.groups()
        more = ""
        if "..." in inputs:
            free = [c for c in "ABCDEFGHIJKLM" if c not in self.equation]
            count = len(shape) - len(inputs) + 3
            more = "".join(free[:count])
            inputs, outputs = (each.replace("...", more) for each in (inputs, outputs))
        missing = len(outputs) - 1 - len(self.partial_output_shape)
        has_ellipsis = "..." in self.equation
        if len(inputs) != len(shape) or missing < 0 or (missing and not has_ellipsis):
            raise self._mismatch(shape)
        if missing:
            # The output's shape leaves the dimensions of the ellipsis out.
            at = max(outputs.index(more[0]) - 1, 0)
            sizes = self.partial_output_shape
            self.partial_output_shape = sizes[:at] + [None] * missing + sizes[at:]
        return inputs, kernel, outputs

    def _mismatch(self, shape: Any) -> Exception:
        return fail(
            ValueError,
            f"The equation of layer {self.name!r} does not fit its inputs",
            got=f"equation {self.equation!r}, inputs of shape {shape} and "
            f"output_shape={self.partial_output_shape}",
            expected="as many letters as dimensions, and sizes that agree",
            site=str(user_site()),
        )

    def call(self, inputs: Any) -> Any:
        """Returns the product, with bias and activation."""
        outputs = einsum(self.equation, inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        shape = TensorShape(input_shape)
        inputs, _, outputs = self._letters(shape)
        sizes = dict(zip(inputs, shape, strict=True))
        given = dict(zip(outputs[1:], self.partial_output_shape, strict=True))
        return TensorShape(
            [sizes.get(c) if given.get(c) is None else given[c] for c in outputs]
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        names = [name for name in self.config_names if name != "output_shape"]
        config = self.config_of(names)
        return {**config, "output_shape": self._given}
