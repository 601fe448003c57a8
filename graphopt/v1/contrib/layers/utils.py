"""What functions of `tf.contrib.layers` share: collections, names, numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.initializers import zeros_initializer
from graphopt.compat.v1.layers.base import Layer, choose
from graphopt.errors import fail
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value as value_of
from graphopt.runtime.variable import Variable
from graphopt.v1.contrib.framework.variables import model_variable
from graphopt.v1.contrib.layers.initializers import xavier_initializer

# What weights and biases start with.
XAVIER, ZEROS = xavier_initializer(), zeros_initializer()


def collect_named_outputs(collections: Any, alias: str | None, outputs: Any) -> Any:
    """Puts outputs into collections, under a name of their own, and returns them.

    Source: `tf.contrib.layers.utils.collect_named_outputs`.
    """
    if collections and building_graph() is not None:
        if alias:
            append_tensor_alias(outputs, alias)
        get_default_graph().add_to_collections(collections, outputs)
    return outputs


def _aliases() -> dict[Any, list[str]]:
    found: dict[Any, list[str]] = get_default_graph().attachments.setdefault(
        "output_aliases", {}
    )
    return found


def append_tensor_alias(tensor: Any, alias: str) -> Any:
    """Gives a tensor another name, under which collections know it.

    Source: `tf.contrib.layers.utils.append_tensor_alias`.
    """
    alias = alias.removesuffix("/")
    _aliases().setdefault(tensor.ref(), []).append(alias)
    return tensor


def get_tensor_aliases(tensor: Any) -> list[str]:
    """Returns the names that a tensor was given, else that of its op.

    Source: `tf.contrib.layers.utils.get_tensor_aliases`.
    """
    return _aliases().get(tensor.ref()) or [tensor.name.removesuffix(":0")]


def convert_collection_to_dict(
    collection: str, clear_collection: bool = False
) -> dict[str, Any]:
    """Returns the outputs of a collection by their names.

    Source: `tf.contrib.layers.utils.convert_collection_to_dict`.
    """
    graph = get_default_graph()
    outputs = graph.get_collection(collection)
    if clear_collection:
        graph.clear_collection(collection)
    return {alias: t for t in outputs for alias in get_tensor_aliases(t)}


def get_variable_collections(variables_collections: Any, name: str) -> Any:
    """Returns the collections of one kind of variable, of a list or a dict.

    Source: `tf.contrib.layers.utils.get_variable_collections`.
    """
    if isinstance(variables_collections, dict):
        return variables_collections.get(name)
    return variables_collections


def add_to_collections(variable: Any, variables_collections: Any, name: str) -> None:
    """Puts a variable into the collections of its kind, each once."""
    graph = get_default_graph()
    for collection in get_variable_collections(variables_collections, name) or ():
        if all(variable is not v for v in graph.get_collection_ref(collection)):
            graph.add_to_collection(collection, variable)


def variable_getter(rename: dict[str, str] | None = None) -> Callable[..., Any]:
    """Returns a getter that makes variables of models, under contrib's names."""

    def get(
        getter: Any,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool = True,
        collections: Any = None,
        **_: Any,
    ) -> Any:
        scope, _slash, short = name.rpartition("/")
        short = (rename or {}).get(short, short)

        # The name is whole already; what `getter` adds no scope to.
        return model_variable(
            f"{scope}/{short}" if scope else short,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            collections=collections,
            trainable=trainable,
            custom_getter=functools.partial(_call_getter, getter, _),
        )

    return get


def _call_getter(getter: Any, rest: dict[str, Any], name: str, **options: Any) -> Any:
    rest = {k: v for k, v in rest.items() if k not in options}
    return getter(name=name, **options, **rest)


def finish_layer(
    layer: Layer,
    outputs: Any,
    kinds: dict[str, str],
    variables_collections: Any,
    normalizer_fn: Any,
    normalizer_params: Any,
    activation_fn: Any,
    outputs_collections: Any,
    scope: str,
) -> Any:
    """Collects the variables of a layer, normalizes and activates its outputs."""
    for attribute, kind in kinds.items():
        variable = getattr(layer, attribute)
        if variable is not None:
            add_to_collections(variable, variables_collections, kind)
    if normalizer_fn is not None:
        outputs = normalizer_fn(outputs, **(normalizer_params or {}))
    if activation_fn is not None:
        outputs = activation_fn(outputs)
    return collect_named_outputs(outputs_collections, scope, outputs)


def smart_cond(
    pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any], name: str | None = None
) -> Any:
    """Returns the result of one of two functions; `pred` is a bool or a tensor.

    Source: `tf.contrib.layers.utils.smart_cond`.
    """
    from graphopt.ops.cond import cond

    known = constant_value(pred)
    if known is None:
        return cond(pred, fn1, fn2, name=name)
    return fn1() if known else fn2()


def static_cond(pred: Any, fn1: Callable[[], Any], fn2: Callable[[], Any]) -> Any:
    """Returns the result of one of two functions; `pred` is a bool.

    Source: `tf.contrib.layers.utils.static_cond`.
    """
    return fn1() if pred else fn2()


def constant_value(value_or_tensor_or_var: Any, dtype: Any = None) -> Any:
    """Returns the value of a number or a constant, else None.

    Source: `tf.contrib.layers.utils.constant_value`.
    """
    value = value_or_tensor_or_var
    if isinstance(value, Variable):
        return None
    if not isinstance(value, Tensor):
        return value
    return value_of(value)


def two_element_tuple(int_or_tuple: Any) -> tuple[int, int]:
    """Returns a number, or two, as two.

    Raises:
      ValueError: It is something else.

    Source: `tf.contrib.layers.utils.two_element_tuple`.
    """
    values = [int_or_tuple] if isinstance(int_or_tuple, int) else list(int_or_tuple)
    numbers = [int(v) for v in values]
    if len(numbers) == 1:
        numbers *= 2
    if len(numbers) != 2:
        raise ValueError(f"Must be an int or have two elements: {int_or_tuple!r}.")
    return numbers[0], numbers[1]


def check_format(data_format: Any, known: tuple[str, ...] = ("NHWC", "NCHW")) -> str:
    """Returns a layout as layers spell it.

    Raises:
      ValueError: It is another one.
    """
    if data_format not in known:
        raise fail(
            ValueError,
            f"data_format has to be either {' or '.join(known)}",
            got=repr(data_format),
            site=str(user_site()),
        )
    return "channels_first" if data_format.startswith("NC") else "channels_last"


def channels_of(x: Any, axis: int, what: str) -> int:
    """Returns the size of a dimension that must be known.

    Raises:
      ValueError: It is not.
    """
    size = None if x.shape.unknown_rank else x.shape[axis]
    if size is None:
        raise fail(
            ValueError,
            f"Inputs of {what} have undefined channels dimension",
            got=f"shape {x.shape}",
            expected="channels that are known",
            site=str(user_site()),
            remedy="a placeholder with the number of channels",
        )
    return int(size)


__all__ = [
    "append_tensor_alias",
    "choose",
    "collect_named_outputs",
    "constant_value",
    "convert_collection_to_dict",
    "get_tensor_aliases",
    "get_variable_collections",
    "smart_cond",
    "static_cond",
    "two_element_tuple",
]
