"""Optimizers and tapes whose gradients are those of all ranks."""

from __future__ import annotations

import copy
from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer as V1Optimizer
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.horovod.exchange import Compression, Compressor, kind_of
from graphopt.horovod.state import find_ranks
from graphopt.keras.optimizers.base import Optimizer
from graphopt.parallel.aggregation import Aggregation, reduce_gradients


def _aggregation_of(
    op: Any, sparse_as_dense: bool, compression: Compressor, predivide: float, what: str
) -> Aggregation | None:
    kind = kind_of(op)
    if kind not in ("mean", "sum"):
        raise ValueError(f"{what}: op must be hvd.Average or hvd.Sum; got {op!r}.")
    if predivide != 1.0:
        raise NotImplementedError(f"{what}(gradient_predivide_factor={predivide}).")
    found = find_ranks()
    if found is None:
        return None
    return Aggregation(
        found.group,
        found.size,
        mean=kind == "mean",
        sparse_as_dense=sparse_as_dense,
        compression=compression.dtype,
    )


def DistributedOptimizer(
    optimizer: Any,
    name: str | None = None,
    use_locking: bool = False,
    device_dense: str = "",
    device_sparse: str = "",
    compression: Compressor = Compression.none,
    sparse_as_dense: bool = False,
    backward_passes_per_step: int = 1,
    op: Any = None,
    gradient_predivide_factor: float = 1.0,
    average_aggregated_gradients: bool = False,
    num_groups: int = 0,
    groups: Any = None,
    process_set: Any = None,
    scale_local_gradients: bool = True,
) -> Any:
    """Returns an optimizer that applies the mean of the gradients of all ranks.

    They become one before anything is done to them, as clipping. One of `tf.keras` does it
    in `apply_gradients`, one of `tf.compat.v1.train` in `compute_gradients`.

    Args:
      optimizer: The optimizer; it stays as it is, and what is returned has its class.
      name: Accepted for compatibility.
      use_locking: Accepted for compatibility.
      device_dense: Accepted for compatibility.
      device_sparse: Accepted for compatibility.
      compression: With `Compression.fp16` gradients travel as float16.
      sparse_as_dense: Whether rows of gradients are made whole tensors first.
      backward_passes_per_step: The gradients of so many calls are summed before they
        are exchanged and applied.
      op: `hvd.Average` or `hvd.Sum`.
      gradient_predivide_factor: 1.
      average_aggregated_gradients: Whether it is the mean of these calls and not the sum.
      num_groups: Accepted for compatibility.
      groups: Accepted for compatibility.
      process_set: Accepted for compatibility.
      scale_local_gradients: Accepted for compatibility.

    Raises:
      ValueError: `hvd.init` was not called, or something is no optimizer.
      NotImplementedError: Adasum, or several passes of an optimizer of `tf.compat.v1`.

    >>> import graphopt as tf
    >>> import graphopt.horovod as hvd
    >>> hvd.init()
    >>> opt = hvd.DistributedOptimizer(tf.keras.optimizers.SGD(0.1))
    >>> w = tf.Variable(1.0)
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> round(float(w), 4)
    0.8

    Source: `horovod.tensorflow.DistributedOptimizer`.
    """
    aggregation = _aggregation_of(
        op,
        sparse_as_dense,
        compression,
        gradient_predivide_factor,
        "hvd.DistributedOptimizer",
    )
    passes = backward_passes_per_step
    if isinstance(optimizer, V1Optimizer):
        if passes != 1:
            raise NotImplementedError(
                f"hvd.DistributedOptimizer(backward_passes_per_step={passes}) of an "
                "optimizer of tf.compat.v1.train; try one of tf.keras.optimizers."
            )
        return _distribute_v1(optimizer, aggregation)
    if not isinstance(optimizer, Optimizer):
        raise fail(
            ValueError,
            "Provided optimizer doesn't inherit from either legacy TensorFlow or Keras "
            "optimizer",
            got=repr(optimizer),
            expected="one of tf.keras.optimizers or tf.compat.v1.train",
            site=str(user_site()),
        )
    made = copy.deepcopy(optimizer)
    made._aggregation = aggregation
    if passes > 1:
        if made.gradient_accumulation_steps:
            raise ValueError(
                f"backward_passes_per_step={passes} of an optimizer with "
                f"gradient_accumulation_steps={made.gradient_accumulation_steps}: both "
                "accumulate gradients; expected one of them."
            )
        made.gradient_accumulation_steps = passes
        made._sums_calls = not average_aggregated_gradients
    return made


def _distribute_v1(optimizer: V1Optimizer, aggregation: Aggregation | None) -> Any:
    """Returns a copy of an optimizer whose gradients are those of all ranks."""
    kind = type(optimizer)

    def compute_gradients(self: Any, *args: Any, **kwargs: Any) -> Any:
        pairs = kind.compute_gradients(self, *args, **kwargs)
        return _reduce_pairs(pairs, aggregation)

    made: Any = copy.copy(optimizer)
    made.__class__ = type(
        kind.__name__,
        (kind,),
        {
            "__doc__": kind.__doc__,
            "__module__": kind.__module__,
            "compute_gradients": compute_gradients,
        },
    )
    return made


def _reduce_pairs(pairs: Any, aggregation: Aggregation | None) -> list[tuple[Any, Any]]:
    """Reduces those gradients that are there."""
    found: list[tuple[Any, Any]] = list(pairs)
    if aggregation is None:
        return found
    there = [pair for pair in found if pair[0] is not None]
    reduced = iter(reduce_gradients(there, aggregation))
    return [pair if pair[0] is None else next(reduced) for pair in found]


class DistributedGradientTape:
    """A tape whose gradients are the means of those of all ranks.

    Args:
      gradtape: A `tf.GradientTape`, before or after it recorded.
      device_dense: Accepted for compatibility.
      device_sparse: Accepted for compatibility.
      compression: With `Compression.fp16` gradients travel as float16.
      sparse_as_dense: Whether rows of gradients are made whole tensors first.
      op: `hvd.Average` or `hvd.Sum`.
      gradient_predivide_factor: 1.
      num_groups: Accepted for compatibility.
      groups: Accepted for compatibility.
      process_set: Accepted for compatibility.
      scale_local_gradients: Accepted for compatibility.

    Source: `horovod.tensorflow.DistributedGradientTape`.
    """

    def __init__(
        self,
        gradtape: Any,
        device_dense: str = "",
        device_sparse: str = "",
        compression: Compressor = Compression.none,
        sparse_as_dense: bool = False,
        op: Any = None,
        gradient_predivide_factor: float = 1.0,
        num_groups: int = 0,
        groups: Any = None,
        process_set: Any = None,
        scale_local_gradients: bool = True,
    ) -> None:
        self._tape = gradtape
        self._aggregation = _aggregation_of(
            op,
            sparse_as_dense,
            compression,
            gradient_predivide_factor,
            "hvd.DistributedGradientTape",
        )

    def __enter__(self) -> DistributedGradientTape:
        self._tape.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._tape.__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["_tape"], name)

    def gradient(
        self,
        target: Any,
        sources: Any,
        output_gradients: Any = None,
        use_generic_names: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Returns the derivatives of `target`, as means over the ranks.

        Args:
          target: Tensor or nest of tensors.
          sources: Tensor, variable, or nest of them.
          output_gradients: Cotangents of the targets.
          use_generic_names: Accepted for compatibility.
          **kwargs: `unconnected_gradients`.
        """
        found = self._tape.gradient(target, sources, output_gradients, **kwargs)
        leaves = nest.flatten(sources)
        grads = nest.flatten(found) if nest.is_nested(sources) else [found]
        pairs = _reduce_pairs(zip(grads, leaves, strict=True), self._aggregation)
        return nest.pack_as(sources, [grad for grad, _ in pairs])


__all__ = ["DistributedGradientTape", "DistributedOptimizer"]
