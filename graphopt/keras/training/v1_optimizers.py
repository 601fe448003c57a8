"""Optimizers of TensorFlow 1 in `compile`, as programs of its last versions have them."""

from __future__ import annotations

from typing import Any


class V1Optimizer:
    """An optimizer of `tf.compat.v1.train` with the method that a training step calls.

    Args:
      optimizer: The optimizer.

    Source: `tf_keras.src.optimizers.legacy` 's `TFOptimizer`.
    """

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.weights: list[Any] = []

    def minimize(self, loss: Any, var_list: Any, tape: Any = None) -> Any:
        """Updates variables by the derivatives of a loss that a tape has recorded."""
        gradients = tape.gradient(loss, var_list)
        return self.apply_gradients(zip(gradients, var_list, strict=True))

    def apply_gradients(self, grads_and_vars: Any) -> Any:
        """Updates variables."""
        return self.optimizer.apply_gradients(list(grads_and_vars))

    def _create_all_weights(self, var_list: Any) -> None:
        """Does nothing: slots are made by the first step."""

    def get_config(self) -> dict[str, Any]:
        """Raises NotImplementedError: optimizers of TensorFlow 1 have no config."""
        raise NotImplementedError(
            "An optimizer of tf.compat.v1.train cannot be written down; use "
            "model.save(path, include_optimizer=False), or tf.keras.optimizers."
        )


def wrap_optimizer(optimizer: Any) -> Any:
    """Returns an optimizer of TensorFlow 1 as one of Keras; anything else as it is."""
    is_old = hasattr(optimizer, "compute_gradients") and not hasattr(
        optimizer, "get_config"
    )
    return V1Optimizer(optimizer) if is_old else optimizer
