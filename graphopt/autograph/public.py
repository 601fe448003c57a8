"""`to_graph` and `to_code`: the converted form of a function, to call and to read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.autograph import transpile
from graphopt.autograph.status import Feature, as_features

# After `transpile`, which imports what diastatic-malt wants imported.
from malt.lang.directives import set_loop_options as set_loop_options  # isort: skip


def to_graph(
    entity: Callable[..., Any],
    recursive: bool = True,
    experimental_optional_features: Feature | tuple[Feature, ...] | None = None,
) -> Callable[..., Any]:
    """Returns the converted form of a function, which builds ops where it is called.

    Args:
      entity: A function, or a method, whose form takes the object as first argument.
      recursive: Whether functions that it calls are converted as well.
      experimental_optional_features: What else is converted.

    Raises:
      ValueError: It cannot be converted.

    >>> import graphopt as tf
    >>> def half(x):
    ...     return x // 2 if x > 0 else x
    >>> tf.autograph.to_graph(half)(tf.constant(8)).numpy()
    np.int32(4)

    Source: `tf.autograph.to_graph`.
    """
    function = transpile.unwrap(entity)
    how = (recursive, True, as_features(experimental_optional_features))
    try:
        return transpile.convert_function(function, how)
    except Exception as error:
        reason = transpile.explain(function, error)
        raise ValueError(f"converting {entity!r}: {reason}") from error


def to_code(
    entity: Callable[..., Any],
    recursive: bool = True,
    experimental_optional_features: Feature | tuple[Feature, ...] | None = None,
) -> str:
    """Returns the source of the converted form of a function.

    Args:
      entity, recursive, experimental_optional_features: As of `to_graph`.

    Source: `tf.autograph.to_code`.
    """
    return transpile.code_of(
        to_graph(entity, recursive, experimental_optional_features)
    )
