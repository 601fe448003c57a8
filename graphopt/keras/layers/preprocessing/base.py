"""`PreprocessingLayer`: a layer whose state comes from `adapt`, not from training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras.layers.options import OptionLayer
from graphopt.ops.shaping import stack
from graphopt.runtime.names import name_scope


def as_batches(data: Any, steps: int | None = None) -> Iterator[Any]:
    """Yields tensors: the batches of a dataset or generator, or an array as a whole.

    Args:
      data: An array, a list, a tensor, or something that yields such.
      steps: How many batches at most.
    """
    is_whole = isinstance(data, (np.ndarray, list, tuple, Tensor)) or hasattr(
        data, "flat_values"
    )
    if is_whole or hasattr(data, "iloc"):
        yield as_tensor(data)
        return
    for number, batch in enumerate(data):
        if steps is not None and number >= steps:
            return
        yield as_tensor(batch)


def as_tensor(value: Any) -> Any:
    """Returns a tensor; ragged and sparse ones as they are."""
    if hasattr(value, "values") and not isinstance(value, Tensor):
        is_table = hasattr(value, "iloc")
        return hooks.convert(value.to_numpy()) if is_table else value
    if isinstance(value, (list, tuple)) and any(
        isinstance(leaf, Tensor) for leaf in nest.flatten(value)
    ):
        return stack([as_tensor(part) for part in value])
    return hooks.convert(value)


class PreprocessingLayer(OptionLayer):
    """A layer whose state comes from `adapt`.

    A subclass defines `reset_state`, `update_state(data)` and `finalize_state`.

    Source: `tf.keras.layers.experimental.preprocessing.PreprocessingLayer`.
    """

    @property
    def is_adapted(self) -> bool:
        """Whether `adapt` was called."""
        return self._was_adapted

    _was_adapted = False

    def adapt(
        self, data: Any, batch_size: int | None = None, steps: int | None = None
    ) -> None:
        """Learns the state from data; what was learned before is forgotten.

        Args:
          data: An array, a list, a tensor, or a dataset of batches.
          batch_size: Accepted for compatibility: arrays are read as a whole.
          steps: How many batches of a dataset are read; all by default.
        """
        self.reset_state()
        for batch in as_batches(data, steps):
            self._adapt_build(batch)
            self.update_state(batch)
        self.finalize_state()
        self._was_adapted = True

    def _adapt_build(self, batch: Any) -> None:
        if not self.built:
            with name_scope(self.name):
                self.build(batch.shape)
            self.built = True

    def reset_state(self) -> None:
        """Forgets what was learned."""
        raise NotImplementedError(type(self).__name__)

    def update_state(self, data: Any) -> None:
        """Learns from a batch."""
        raise NotImplementedError(type(self).__name__)

    def finalize_state(self) -> None:
        """Makes what was learned ready for calls."""
