"""A loss scale that finds its own size, around another optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt import dtypes
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import GradsAndVars
from graphopt.keras.optimizers.gradient_steps import (
    all_finite,
    all_true,
    unscale,
)
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import equal, where
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

# Options that a config of Keras 3 lists with these values, which mean nothing here.
_NOT_SET = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss so that small gradients do not vanish in float16.

        gradients not finite: the step is left out, scale <- scale / 2
        finite `dynamic_growth_steps` times in a row: scale <- 2 scale

    `minimize` does it all. With gradients from elsewhere, differentiate
    `scale_loss(loss)` and give the result to `apply_gradients`, which divides.

    Args:
      inner_optimizer: What updates the variables; its `loss_scale_factor` is dropped.
      initial_scale: Number > 0.
      dynamic_growth_steps: After how many finite steps the scale doubles.
      name: Scope of what it makes.
      **kwargs: None but `dynamic=True`, and what Keras 3 puts into configs.

    Raises:
      TypeError: `inner_optimizer` is none.
      ValueError: An option that belongs to the inner optimizer.

    >>> import graphopt as tf
    >>> inner = tf.keras.optimizers.SGD(0.1)
    >>> opt = tf.keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0)
    >>> w = tf.Variable(1.0)
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> _ = opt.apply_gradients([(tf.constant(float("inf")), w)])
    >>> round(float(w), 4), float(opt.dynamic_scale), int(opt.iterations)
    (0.8, 4.0, 1)

    Source: `keras.optimizers.LossScaleOptimizer` (Keras 3); Micikevicius et al. 2017.
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str = "LossScaleOptimizer",
        **kwargs: Any,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer):
            raise TypeError(
                f"`inner_optimizer` must be an optimizer; got {inner_optimizer!r}."
            )
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer has no `dynamic=False`; set `loss_scale_factor` on "
                "the `inner_optimizer`."
            )
        for option, value in kwargs.items():
            if option not in _NOT_SET or value != _NOT_SET[option]:
                raise ValueError(
                    f"LossScaleOptimizer does not support `{option}`; set it on the "
                    "`inner_optimizer`."
                )
        super().__init__(name)
        inner_optimizer.loss_scale_factor = None
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        # Hyperparameters are those of the inner one, for whoever asks.
        self._hyper = inner_optimizer._hyper
        self._scale: Variable | None = None
        self._finite_steps: Variable | None = None

    @property
    def dynamic_scale(self) -> Variable:
        """The scale, a float32 variable; made when first asked for."""
        if self._scale is None:
            with name_scope(self._name):
                self._finite_steps = self.add_weight(
                    "step_counter", shape=[], dtype=dtypes.int64, trainable=False
                )
                self._scale = self.add_weight(
                    "dynamic_scale",
                    shape=[],
                    trainable=False,
                    initializer=self.initial_scale,
                )
        return self._scale

    def _loss_scale(self) -> Any:
        return self.dynamic_scale

    @property
    def is_elementwise(self) -> bool:  # type: ignore[override]
        """Whether the inner optimizer's equation is."""
        return self.inner_optimizer.is_elementwise

    def _parts(self) -> list[Optimizer]:
        return [self, *self.inner_optimizer._parts()]

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        return self.inner_optimizer._get_hyper(name, dtype)

    def _set_hyper(self, name: str, value: Any) -> None:
        self.inner_optimizer._set_hyper(name, value)

    def _create_all(self, variables: Sequence[Variable]) -> None:
        _ = self.dynamic_scale
        with name_scope(self.inner_optimizer._name):
            self.inner_optimizer._create_all(variables)

    def _apply_pairs(
        self,
        pairs: GradsAndVars,
        name: str,
        transforms: bool = True,
        counts: Any = None,
        before: Sequence[Any] = (),
    ) -> Any:
        scale = self.dynamic_scale.read_value()
        assert self._finite_steps is not None
        steps = self._finite_steps.read_value()
        finite = all_finite(pairs)
        counts = all_true([each for each in (counts, finite) if each is not None])
        grows = equal(steps, self.dynamic_growth_steps - 1)
        larger = where(grows, scale * 2.0, scale)
        more = where(grows, zeros_like(steps), steps + 1)
        kept = [
            self.dynamic_scale.assign(
                where(finite, larger, scale * 0.5), read_value=False
            ),
            self._finite_steps.assign(
                where(finite, more, zeros_like(steps)), read_value=False
            ),
        ]
        return self.inner_optimizer._apply_pairs(
            unscale(pairs, scale), name, transforms, counts, [*before, *kept]
        )

    @property
    def iterations(self) -> Variable:
        """The number of steps of the inner optimizer."""
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, variable: Variable) -> None:
        self.inner_optimizer.iterations = variable

    @property
    def weights(self) -> list[Variable]:
        """Its own, then those of the inner optimizer."""
        return [*self._weights, *self.inner_optimizer.weights]

    def variables(self) -> list[Variable]:
        """Returns `weights`."""
        return self.weights

    def get_slot(self, var: Variable, slot_name: str) -> Variable:
        """Returns a slot that the inner optimizer has for a variable."""
        return self.inner_optimizer.get_slot(var, slot_name)

    def get_slot_names(self) -> list[str]:
        """Returns the names of the inner optimizer's slots."""
        return self.inner_optimizer.get_slot_names()

    def finalize_variable_values(self, var_list: Any) -> Any:
        """Does what the inner optimizer does."""
        return self.inner_optimizer.finalize_variable_values(var_list)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        inner = self.inner_optimizer
        return {
            "name": self._name,
            "inner_optimizer": {
                "class_name": type(inner).__name__,
                "config": inner.get_config(),
            },
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """Makes an optimizer of what `get_config` returned."""
        from graphopt.keras.optimizers import deserialize

        arguments = dict(config)
        inner = arguments.pop("inner_optimizer")
        if isinstance(inner, dict):
            inner = deserialize(inner, custom_objects)
        return cls(inner, **arguments)
