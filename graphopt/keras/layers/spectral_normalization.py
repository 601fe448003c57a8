"""`SpectralNormalization`: a layer whose kernel is divided by its largest singular value."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras import initializers
from graphopt.keras.functional import is_in_v1_graph
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import choose, require
from graphopt.keras.layers.rnn.wrappers import Wrapper
from graphopt.ops.elementwise import equal, where
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_all
from graphopt.ops.shaping import reshape, stop_gradient
from graphopt.ops.statistics import l2_normalize


class SpectralNormalization(Wrapper):
    """A layer whose kernel is divided by its largest singular value while training.

    The value is found by the power method, some steps at each call.

    Args:
      layer: A layer with a `kernel`, or with `embeddings`.
      power_iterations: The number of steps.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: The layer has neither, or the number is not positive.

    Source: `tf.keras.layers.SpectralNormalization`; Miyato et al., 2018.
    """

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        require(
            power_iterations,
            power_iterations > 0,
            "power_iterations",
            "greater than zero",
        )
        self.power_iterations = power_iterations
        self._name_of_kernel = ""
        self.vector_u: Any = None

    @property
    def kernel(self) -> Any:
        """The kernel of the layer inside."""
        return getattr(self.layer, self._name_of_kernel)

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of the layer inside, and the vector of the power method."""
        super().build(input_shape)
        names = [n for n in ("kernel", "embeddings") if hasattr(self.layer, n)]
        if not names:
            raise fail(
                ValueError,
                f"{type(self.layer).__name__} object has no attribute 'kernel' nor "
                "'embeddings'",
                got=f"layer {self.layer.name!r}",
                site=str(user_site()),
            )
        self._name_of_kernel = names[0]
        self.input_spec = InputSpec(shape=[None, *TensorShape(input_shape)[1:]])
        self.vector_u = self.add_weight(
            name="vector_u",
            shape=[1, self.kernel.shape[-1]],
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
        )
        self.built = True

    def call(self, inputs: Any, training: Any = False) -> Any:
        """Calls the layer; while training, its kernel is normalized first."""
        if training is not False and training is not None:
            self._normalize(training)
        return self.layer(inputs)

    def _normalize(self, training: Any) -> None:
        kernel, u = self.kernel.read_value(), self.vector_u.read_value()
        scaled, moved = self.normalize_weights()
        is_zero = reduce_all(equal(kernel, 0.0))
        self._replace(self.kernel, kernel, where(is_zero, kernel, scaled), training)
        self._replace(self.vector_u, u, where(is_zero, u, moved), training)

    def _replace(self, variable: Any, old: Any, new: Any, training: Any) -> None:
        update = variable.assign(choose(training, lambda: new, lambda: old))
        if is_in_v1_graph():
            self.add_update(update)

    def normalize_weights(self) -> tuple[Any, Any]:
        """Returns the kernel divided by its largest singular value, and the vector."""
        u, kernel = self.vector_u.read_value(), self.kernel.read_value()
        rows = reshape(kernel, [-1, int(kernel.shape[-1])])
        v = u
        for _ in range(self.power_iterations):
            v = l2_normalize(matmul(u, rows, transpose_b=True))
            u = l2_normalize(matmul(v, rows))
        u, v = stop_gradient(u), stop_gradient(v)
        sigma = matmul(matmul(v, rows), u, transpose_b=True)
        return reshape(rows / sigma, list(kernel.shape)), u

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the layer's outputs."""
        return self.layer.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "power_iterations": self.power_iterations}
