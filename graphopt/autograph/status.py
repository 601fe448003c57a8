"""Whether functions that are called now are converted, and how: a stack for each thread."""

from __future__ import annotations

import contextlib
import enum
import threading
from collections.abc import Iterator


class Feature(enum.Enum):
    """What is converted beside control flow, if it is asked for.

    Attributes:
      ALL: Everything below.
      ASSERT_STATEMENTS: `assert` of a tensor becomes `tf.debugging.Assert`.
      BUILTIN_FUNCTIONS: `print` of a tensor prints when the graph runs.
      EQUALITY_OPERATORS: `==` of tensors compares elements, in every graph.
      LISTS: `array.append(x)` and `array[i] = x` of tensors and of a `tf.TensorArray`.
      AUTO_CONTROL_DEPS: Accepted; effects always keep the order of the program.
      NAME_SCOPES: Accepted; it changes names of ops only.

    Source: `tf.autograph.experimental.Feature`.
    """

    ALL = "ALL"
    AUTO_CONTROL_DEPS = "AUTO_CONTROL_DEPS"
    ASSERT_STATEMENTS = "ASSERT_STATEMENTS"
    BUILTIN_FUNCTIONS = "BUILTIN_FUNCTIONS"
    EQUALITY_OPERATORS = "EQUALITY_OPERATORS"
    LISTS = "LISTS"
    NAME_SCOPES = "NAME_SCOPES"

    @classmethod
    def all(cls) -> tuple[Feature, ...]:
        """Returns all features, `ALL` among them."""
        return tuple(cls)

    @classmethod
    def all_but(cls, exclude: Feature | tuple[Feature, ...]) -> tuple[Feature, ...]:
        """Returns all features but some."""
        left_out = {exclude} if isinstance(exclude, Feature) else set(exclude)
        return tuple(set(cls) - left_out - {cls.ALL})


class Status(enum.Enum):
    """What has been said about functions that are called now."""

    UNSPECIFIED = 0
    ENABLED = 1
    DISABLED = 2


class _Statuses(threading.local):
    def __init__(self) -> None:
        self.stack = [Status.UNSPECIFIED]


_statuses = _Statuses()


def current_status() -> Status:
    """Returns what was said last."""
    return _statuses.stack[-1]


@contextlib.contextmanager
def with_status(status: Status) -> Iterator[None]:
    """Says it for a `with` block on this thread."""
    _statuses.stack.append(status)
    try:
        yield
    finally:
        _statuses.stack.pop()


def as_features(given: Feature | tuple[Feature, ...] | None) -> frozenset[Feature]:
    """Returns what `experimental_autograph_options` asks for as a set.

    Raises:
      TypeError: Something in it is no feature.
    """
    features = frozenset(
        () if given is None else (given,) if isinstance(given, Feature) else given
    )
    wrong = [item for item in features if not isinstance(item, Feature)]
    if wrong:
        raise TypeError(
            f"experimental_autograph_options must be features of "
            f"tf.autograph.experimental.Feature, not {wrong[0]!r}."
        )
    return features
