"""The arguments of an optimizer: declared once, where its constructor names them.

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        epsilon: Epsilon = EPSILON,
        amsgrad: bool = False,
        name: str = "Adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

Name, check and default stand in the signature and nowhere else. An argument annotated as
`Number` or `Fraction` is a hyperparameter: a number, tensor, callable or schedule that may
change from step to step and becomes a variable, so that a new one compiles nothing. Any
other argument is a constant of the equation, kept as an attribute. Both are checked here,
and `get_config` returns both. A descriptor for each, as attrs and equinox have them, would
name every argument a second time, for type checkers and editors read signatures.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers.checks import (
    ALLOWED_KEYWORDS,
    check_fraction,
    check_proper_fraction,
    checked_number,
)
from graphopt.keras.optimizers.schedules import LearningRateSchedule, serialize
from graphopt.keras.optimizers.state import set_value, value_of
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast
from graphopt.ops.host import python_scalar
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer

# Keras replaces an epsilon of None or 0 by this.
EPSILON = 1e-7


@dataclass(frozen=True)
class Hyperparameter:
    """An argument that may change from step to step.

    Attributes:
      check: `(name, value)`, raises ValueError for a number that is out of range.
    """

    check: Callable[[str, Any], None] | None = None


@dataclass(frozen=True)
class Constant:
    """An argument that is part of the equation.

    Attributes:
      convert: What the attribute is made of the argument by.
      check: `(name, value)`, raises ValueError.
      plain: What `get_config` returns is made of the attribute by.
      is_private: Whether the attribute has an underscore before its name.
    """

    convert: Callable[[Any], Any] | None = None
    check: Callable[[str, Any], None] | None = None
    plain: Callable[[Any], Any] | None = None
    is_private: bool = False


# The arguments that are options of every optimizer, and those that are nobody's.
_NOT_DECLARED = {*ALLOWED_KEYWORDS, "name", "kwargs", "return"}
Number = Annotated[Any, Hyperparameter()]
Fraction = Annotated[Any, Hyperparameter(check_fraction)]
ProperFraction = Annotated[Any, Hyperparameter(check_proper_fraction)]
Epsilon = Annotated[float | None, Constant(lambda epsilon: epsilon or EPSILON)]


@functools.cache
def declared_by(cls: Any) -> tuple[tuple[str, Hyperparameter | Constant], ...]:
    """Returns the arguments that the constructor of a class declares, by name.

    Args:
      cls: A class; None for an optimizer whose constructor declares nothing.
    """
    if cls is None:
        return ()
    function: Any = cls.__init__
    found: list[tuple[str, Hyperparameter | Constant]] = []
    for name, kind in function.__annotations__.items():
        if name in _NOT_DECLARED:
            continue
        # Annotations are text: those that declare something have a name of their own.
        alias = function.__globals__.get(kind) if isinstance(kind, str) else kind
        (declaration,) = getattr(alias, "__metadata__", (Constant(),))
        found.append((name, declaration))
    return tuple(found)


def take_arguments(self: Optimizer, arguments: dict[str, Any]) -> None:
    """Checks and keeps the arguments of a constructor, as it declares them.

    Args:
      self: The optimizer.
      arguments: The `locals()` of the constructor, which has called that of its base.
    """
    vars(self)["_declaring"] = cls = arguments["__class__"]
    for name, declared in declared_by(cls):
        value = arguments[name]
        if declared.check is not None:
            declared.check(name, value)
        if isinstance(declared, Hyperparameter):
            self._set_hyper(name, value)
            if name == "learning_rate":
                self._set_hyper("decay", self._initial_decay)
        else:
            attribute = f"_{name}" if declared.is_private else name
            convert = declared.convert
            vars(self)[attribute] = value if convert is None else convert(value)


def write_constructor(cls: type[Optimizer]) -> None:
    """Gives a class that lists `hyperparameters` and has no constructor one that takes them.

    It takes them by position, in their order, or by name; then `name` and the options of
    every optimizer.

    Raises:
      TypeError: One of them is an option, or no name of an argument.
    """
    listed = dict(cls.hyperparameters)
    for each in listed:
        if not str(each).isidentifier() or each in _NOT_DECLARED:
            raise TypeError(
                f"{cls.__name__}.hyperparameters has {each!r}, which "
                f"{'every optimizer takes' if each in _NOT_DECLARED else 'is no name'}; "
                "expected names of arguments of its own"
            )
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = {**listed, "name": cls.__name__}
    parameters = [inspect.Parameter("self", kind)]
    parameters += [inspect.Parameter(each, kind, default=own[each]) for each in own]
    parameters.append(inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD))
    signature = inspect.Signature(parameters)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        base.__init__(self, given["name"], **given["kwargs"])
        for each in listed:
            self._set_hyper(each, given[each])
        if "learning_rate" in listed:
            self._set_hyper("decay", self._initial_decay)

    # Loaded by now; this file is loaded by it.
    from graphopt.keras.optimizers.base import Optimizer as base

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    __init__.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = __init__  # type: ignore[method-assign]


def plain_constants(optimizer: Optimizer) -> dict[str, Any]:
    """Returns the arguments of an optimizer that are constants, as a config has them."""
    found = {}
    for name, declared in declared_by(optimizer._declaring):
        if isinstance(declared, Constant):
            value = getattr(optimizer, f"_{name}" if declared.is_private else name)
            found[name] = value if declared.plain is None else declared.plain(value)
    return found


class Hyperparameters(dict[str, Any]):
    """The hyperparameters of an optimizer, by name.

    A number becomes a variable when the optimizer first needs it, so that a new learning
    rate is an assignment and nothing is built or compiled again.
    """

    def __init__(self) -> None:
        self.are_made = False
        # Numbers as they were given: 0.1, where a variable has 0.1 rounded to float32.
        self.numbers: dict[str, Any] = {}
        # The value of the keyword `lr`, until `learning_rate` is set.
        self.old_rate: Any = None
        # Whether variables of float64, or complex128, are trained.
        self.trains_wide = False

    def set(self, name: str, value: Any) -> None:
        """Sets one: a number, tensor, variable, callable or schedule."""
        if self.old_rate is not None and name == "learning_rate":
            value, self.old_rate = self.old_rate, None
        if isinstance(value, (Tensor, Variable)) or callable(value):
            self[name] = value
            return
        if type(value) is not float or value != value:
            value = checked_number(name, value)
        self.numbers[name] = value
        previous = self.get(name)
        if self.are_made and isinstance(previous, Variable):
            set_value(previous, value)
        else:
            self[name] = value

    def read(self, name: str, dtype: Any = None) -> Any:
        """Returns one, as a tensor of `dtype` if one is given; a schedule as it is."""
        value = self[name]
        if isinstance(value, LearningRateSchedule):
            return value
        if callable(value) and not isinstance(value, Variable):
            value = called(value, dtype)
        if dtype is None:
            return value
        dtype = as_dtype(dtype)
        if isinstance(value, (Tensor, Variable)):
            return cast(value, dtype)
        # Still a number, where a subclass makes no variables; truncated as `cast` does.
        return constant(np.asarray(value).astype(dtype.numpy))

    def make_variables(self, make: Callable[..., Variable], wide: bool) -> None:
        """Makes variables of the numbers, of float64 if that is trained.

        Truth values stay what they are: they say which equation it is.

        Args:
          make: `Optimizer.add_weight`.
          wide: Whether they are float64 whatever is trained.
        """
        dtype = dtypes.float64 if wide or self.trains_wide else dtypes.float32
        for name, value in sorted(self.items()):
            if isinstance(value, (Tensor, Variable, bool)) or callable(value):
                continue
            self[name] = make(
                name, shape=[], dtype=dtype, trainable=False, initializer=value
            )
        self.are_made = True

    def plain(self, name: str) -> Any:
        """Returns what a config has of one: a Python number, or a schedule's config.

        A config is to be written as JSON and to make the same optimizer again.
        """
        value = self[name]
        if isinstance(value, LearningRateSchedule):
            return serialize(value)
        if callable(value) and not isinstance(value, Variable):
            value = value()
        if not isinstance(value, (Tensor, Variable)):
            return value
        value = value_of(value)
        given = self.numbers.get(name)
        if given is not None and np.asarray(given, value.dtype) == value:
            value = given
        return value.item() if isinstance(value, (np.generic, np.ndarray)) else value

    def show(self, name: str) -> Any:
        """Returns one to print: its value, or, in a graph, the number that it was given."""
        value = self[name]
        if isinstance(value, Variable):
            is_eager = value.key.graph is None
            return self.plain(name) if is_eager else self.numbers.get(name, value)
        return value

    def names(self) -> Iterable[str]:
        """Returns the names under which they are attributes."""
        return [*self, "lr"] if "learning_rate" in self else [*self]


def as_number(value: Any, dtype: DType) -> Any:
    """Returns a number, tensor or variable as a tensor; 0.1 is 0.1 in float64 too."""
    if isinstance(value, (Tensor, Variable)):
        return cast(value, dtype)
    return constant(value, dtype)


def called(function: Callable[[], Any], dtype: Any) -> Any:
    """Returns what a callable hyperparameter stands for.

    In a graph a Python number has to be asked for again before each run.
    """
    value = function()
    if building_graph() is None or isinstance(value, (Tensor, Variable)):
        return value
    return python_scalar(function, dtype or dtypes.float32)
