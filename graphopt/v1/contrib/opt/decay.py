"""Optimizers that make weights smaller apart from their gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphopt.compat.v1.train import AdamOptimizer, MomentumOptimizer
from graphopt.graph.context import building_graph
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import gather
from graphopt.runtime.collections import control_dependencies
from graphopt.runtime.variable import Variable


class DecoupledWeightDecayExtension:
    """Takes `weight_decay` times a weight from it before each update.

    A base class, to stand before an optimizer's; of a sparse gradient, the rows that it
    names get smaller.

    Args:
      weight_decay: Number, tensor, variable or callable; not multiplied by the learning
        rate.
      **kwargs: For the optimizer.

    Source: `tf.contrib.opt.DecoupledWeightDecayExtension`; Loshchilov and Hutter 2017.
    """

    def __init__(self, weight_decay: Any, **kwargs: Any) -> None:
        self._weight_decay = weight_decay
        self._decayed: set[Any] | None = None
        super().__init__(**kwargs)

    def minimize(self, loss: Any, *args: Any, **kwargs: Any) -> Any:
        """Updates variables so that a loss gets smaller.

        Args:
          loss: As in `Optimizer.minimize`.
          *args, **kwargs: Likewise; `decay_var_list` has the variables that decay, all
            by default.
        """
        self._choose(kwargs.pop("decay_var_list", None))
        return super().minimize(loss, *args, **kwargs)  # type: ignore[misc]

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Variable]],
        global_step: Variable | None = None,
        name: str | None = None,
        decay_var_list: Any = None,
    ) -> Any:
        """Updates variables with gradients; `decay_var_list` as in `minimize`."""
        if decay_var_list is not None:
            self._choose(decay_var_list)
        parent: Any = super()
        return parent.apply_gradients(grads_and_vars, global_step, name)

    def _choose(self, decay_var_list: Any) -> None:
        self._decayed = None
        if decay_var_list:
            self._decayed = {var.key for var in decay_var_list}

    def _decay(self, var: Variable) -> Any:
        rate = self._weight_decay
        if callable(rate) and not isinstance(rate, Variable):
            rate = rate()
        return cast(rate, var.dtype)

    def _is_decayed(self, var: Variable) -> bool:
        return self._decayed is None or var.key in self._decayed

    def _after(self, decay: Any, update: Any) -> Any:
        """Runs an update after a decay, which it makes part of the step."""
        if building_graph() is None:
            return update()
        with control_dependencies([decay]):
            return update()

    def _apply(self, grad: Any, var: Variable) -> Any:
        parent: Any = super()
        if not self._is_decayed(var):
            return parent._apply(grad, var)
        if isinstance(grad, IndexedSlices):
            # Set, not subtracted: a row that is named twice gets smaller once.
            rows = gather(var, grad.indices) * (1.0 - self._decay(var))
            smaller = IndexedSlices(rows, grad.indices, grad.dense_shape)
            decay = var.scatter_update(smaller, read_value=False)
        else:
            change = var.read_value() * self._decay(var)
            decay = var.assign_sub(change, read_value=False)
        return self._after(decay, lambda: parent._apply(grad, var))


def extend_with_decoupled_weight_decay(base_optimizer: Any) -> Any:
    """Returns a class of optimizers with `weight_decay` as their first argument.

    Source: `tf.contrib.opt.extend_with_decoupled_weight_decay`.
    """

    class OptimizerWithDecoupledWeightDecay(
        DecoupledWeightDecayExtension,
        base_optimizer,  # type: ignore[misc]
    ):
        """An optimizer that makes weights smaller apart from their gradients."""

        def __init__(self, weight_decay: Any, *args: Any, **kwargs: Any) -> None:
            self._weight_decay, self._decayed = weight_decay, None
            base_optimizer.__init__(self, *args, **kwargs)

    return OptimizerWithDecoupledWeightDecay


class AdamWOptimizer(DecoupledWeightDecayExtension, AdamOptimizer):
    """Adam with weight decay apart from the gradient.

    Args:
      weight_decay: As in `DecoupledWeightDecayExtension`.
      learning_rate, beta1, beta2, epsilon, use_locking: As in `AdamOptimizer`.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.AdamWOptimizer`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdamW",
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
            use_locking=use_locking,
            name=name,
        )


class MomentumWOptimizer(DecoupledWeightDecayExtension, MomentumOptimizer):
    """Momentum with weight decay apart from the gradient.

    Args:
      weight_decay: As in `DecoupledWeightDecayExtension`.
      learning_rate, momentum, use_locking, use_nesterov: As in `MomentumOptimizer`.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.MomentumWOptimizer`.
    """

    def __init__(
        self,
        weight_decay: Any,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "MomentumW",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            weight_decay,
            learning_rate=learning_rate,
            momentum=momentum,
            use_locking=use_locking,
            name=name,
            use_nesterov=use_nesterov,
        )
