"""Changes of gradients, one after the other: `gradient_transformers=[...]`.

A transformer is a function from and to a list of (gradient, variable) pairs, as in
TensorFlow. Those made here are compiled into the step and are part of the optimizer's
config; any Python function is one too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.keras.optimizers.checks import GradsAndVars
from graphopt.ops.clipping import clip_by_global_norm as clip_all_by_norm
from graphopt.ops.clipping import clip_by_norm as clip_one_by_norm
from graphopt.ops.clipping import clip_by_value as clip_elements
from graphopt.ops.elementwise import is_finite, maximum, sqrt, where
from graphopt.ops.random_stateful import normal
from graphopt.ops.reduction import reduce_mean, reduce_sum


class Transformer:
    """A change of gradients that knows its own config.

    Args:
      name: The function here that makes it.
      function: What it does.
      **config: The arguments of that function.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[GradsAndVars], GradsAndVars],
        **config: Any,
    ) -> None:
        self.name = name
        self.config = config
        self._function = function

    def __call__(self, grads_and_vars: GradsAndVars) -> GradsAndVars:
        """Returns the pairs with other gradients."""
        return self._function(list(grads_and_vars))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.config.items())
        return f"{self.name}({arguments})"


def _for_each(function: Callable[[Any, Any], Any]) -> Callable[..., GradsAndVars]:
    return lambda pairs: [(function(grad, var), var) for grad, var in pairs]


def _on_values(grad: Any, function: Callable[[Any], Any]) -> Any:
    """Applies a function to a gradient, or to the rows of a sparse one."""
    if isinstance(grad, IndexedSlices):
        return grad.with_values(function(grad.values))
    return function(grad)


def clip_by_value(limit: float) -> Transformer:
    """Cuts every element to [-limit, limit].

    >>> import graphopt as tf
    >>> chain = [tf.keras.optimizers.transformers.clip_by_value(0.5)]
    >>> opt = tf.keras.optimizers.SGD(1.0, gradient_transformers=chain)
    >>> w = tf.Variable([1.0, 1.0])
    >>> _ = opt.apply_gradients([(tf.constant([3.0, -0.25]), w)])
    >>> print(w.numpy())
    [0.5  1.25]

    Source: `optax.clip`.
    """
    clip = _for_each(lambda grad, _: clip_elements(grad, -limit, limit))
    return Transformer("clip_by_value", clip, limit=limit)


def clip_by_norm(limit: float) -> Transformer:
    """Shrinks each gradient so that its norm is at most `limit`.

    Source: `optax.clip_by_block_rms` has the same form; `tf.clip_by_norm`.
    """
    clip = _for_each(lambda grad, _: clip_one_by_norm(grad, limit))
    return Transformer("clip_by_norm", clip, limit=limit)


def clip_by_global_norm(limit: float) -> Transformer:
    """Shrinks all gradients alike so that their norm together is at most `limit`.

    Source: `optax.clip_by_global_norm`; Pascanu et al. 2012.
    """

    def clip(pairs: GradsAndVars) -> GradsAndVars:
        grads, _ = clip_all_by_norm([grad for grad, _ in pairs], limit)
        return list(zip(grads, (var for _, var in pairs), strict=True))

    return Transformer("clip_by_global_norm", clip, limit=limit)


def _unit_norm(x: Any) -> Any:
    """The norm of each unit: over all axes but the last one, over a vector as a whole."""
    axes = list(range(len(x.shape) - 1)) if len(x.shape) > 1 else None
    return sqrt(reduce_sum(x * x, axis=axes, keepdims=True))


def adaptive_clip(limit: float = 0.01, epsilon: float = 1e-3) -> Transformer:
    """Shrinks the gradient of each unit relative to the norm of its weights.

        g <- g min(1, limit max(|w|, epsilon) / |g|)

    for each output of a layer, which is the last axis of a kernel.

    Args:
      limit: The largest ratio of the norms.
      epsilon: The least norm that weights are taken to have.

    Raises:
      NotImplementedError: A gradient is sparse.

    Source: Brock et al. 2021; `optax.adaptive_grad_clip`.
    """

    def clip(grad: Any, var: Any) -> Any:
        if isinstance(grad, IndexedSlices):
            raise NotImplementedError(
                f"adaptive_clip of the sparse gradient of {var.name!r}; convert it with "
                "tf.convert_to_tensor first."
            )
        largest = limit * maximum(_unit_norm(var.read_value()), epsilon)
        # The quotient is taken only where it shrinks, so a zero norm divides nothing.
        norm = _unit_norm(grad)
        return grad * where(norm > largest, largest / maximum(norm, 1e-6), 1.0)

    made = _for_each(clip)
    return Transformer("adaptive_clip", made, limit=limit, epsilon=epsilon)


def centralize() -> Transformer:
    """Takes the mean of each output's gradient away, in variables with axes.

        g <- g - mean(g over all axes but the last one)

    Source: Yong et al. 2020; `optax.centralize`.
    """

    def center(grad: Any, var: Any) -> Any:
        if isinstance(grad, IndexedSlices) or len(grad.shape) < 2:
            return grad
        axes = list(range(len(grad.shape) - 1))
        return grad - reduce_mean(grad, axis=axes, keepdims=True)

    return Transformer("centralize", _for_each(center))


def add_noise(stddev: float, seed: int | None = None) -> Transformer:
    """Adds normal numbers of a standard deviation to every element.

    Source: Neelakantan et al. 2015; `optax.add_noise`.
    """

    def add(grad: Any, var: Any) -> Any:
        return _on_values(
            grad,
            lambda g: g + normal(g.shape, 0.0, stddev, dtype=g.dtype, seed=seed),
        )

    return Transformer("add_noise", _for_each(add), stddev=stddev, seed=seed)


def add_decayed_weights(weight_decay: float) -> Transformer:
    """Adds a part of the variable to its gradient: L2 regularization of the loss.

        g <- g + weight_decay w

    The optimizer's own `weight_decay` is the other kind, which its equation does not see.

    Source: `optax.add_decayed_weights`; Loshchilov and Hutter 2017.
    """

    def add(grad: Any, var: Any) -> Any:
        if isinstance(grad, IndexedSlices):
            raise NotImplementedError(
                f"add_decayed_weights to the sparse gradient of {var.name!r}; use "
                "`weight_decay=` of the optimizer."
            )
        return grad + weight_decay * var.read_value()

    made = _for_each(add)
    return Transformer("add_decayed_weights", made, weight_decay=weight_decay)


def zero_nonfinite() -> Transformer:
    """Puts zeros where a gradient is NaN or infinite.

    Source: `optax.zero_nans`, which leaves infinities.
    """

    def clean(grad: Any, var: Any) -> Any:
        return _on_values(grad, lambda g: where(is_finite(g), g, 0.0))

    return Transformer("zero_nonfinite", _for_each(clean))


def scale(factor: float) -> Transformer:
    """Multiplies every gradient; -1 makes the optimizer maximize.

    Source: `optax.scale`.
    """

    def multiply(grad: Any, var: Any) -> Any:
        return _on_values(grad, lambda g: g * factor)

    return Transformer("scale", _for_each(multiply), factor=factor)


MAKERS: dict[str, Callable[..., Transformer]] = {
    maker.__name__: maker
    for maker in (
        clip_by_value,
        clip_by_norm,
        clip_by_global_norm,
        adaptive_clip,
        centralize,
        add_noise,
        add_decayed_weights,
        zero_nonfinite,
        scale,
    )
}


def serialize_chain(chain: Sequence[Any]) -> list[dict[str, Any]]:
    """Returns the configs of a chain; none if a Python function is in it."""
    if not all(isinstance(each, Transformer) for each in chain):
        return []
    return [{"class_name": each.name, "config": each.config} for each in chain]


def deserialize_chain(configs: Sequence[Any]) -> list[Any]:
    """Makes a chain of what `serialize_chain` returned.

    Raises:
      ValueError: No transformer has that name.
    """
    chain: list[Any] = []
    for config in configs:
        if not isinstance(config, dict):
            chain.append(config)
            continue
        maker = MAKERS.get(config["class_name"])
        if maker is None:
            raise ValueError(
                f"Unknown gradient transformer {config['class_name']!r}; expected one "
                f"of {sorted(MAKERS)}."
            )
        chain.append(maker(**config["config"]))
    return chain
