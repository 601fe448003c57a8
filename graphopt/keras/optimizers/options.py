"""What every optimizer takes besides its equation: clipping, decay, averages, and so on.

These are the keywords of TensorFlow's OptimizerV2 and those of Keras 3 that do not clash
with them. What is a number stays a number of the step: it becomes a variable like the
learning rate, so that a new one compiles nothing. An option is an attribute of the
optimizer, of which `vars` has an entry if it was set. The functions whose first argument
is `self` are methods of `Optimizer`, which lists them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from graphopt.graph.context import building_graph
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers.checks import (
    ALLOWED_KEYWORDS,
    CLIPS,
    ON_NONFINITE,
    check_fraction,
    check_not_negative,
    nearest_keyword,
)
from graphopt.keras.optimizers.schedules import deserialize
from graphopt.keras.optimizers.transformers import deserialize_chain, serialize_chain
from graphopt.keras.optimizers.updates import AVERAGE
from graphopt.ops.state import group, no_op
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer

# A variable, a regular expression that its name is searched for, or a function of it.
Selector = Variable | str | Callable[[Variable], bool]
# Those that are attributes and nothing more.
_PLAIN = (
    "use_ema",
    "ema_overwrite_frequency",
    "gradient_accumulation_steps",
    "on_nonfinite",
)
_NUMBERS = {"ema_momentum": 0.99, "weight_decay": None, "loss_scale_factor": None}


class Clip:
    """A way of clipping gradients, as an attribute: a number, or None.

    Args:
      doc: What the number is.
    """

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name
        # TensorFlow's name of it, for subclasses.
        setattr(cls, f"_{name}", None)

    def __get__(self, optimizer: Any, cls: type | None = None) -> Any:
        return self if optimizer is None else getattr(optimizer, f"_{self.name}")

    def __set__(self, optimizer: Any, value: Any) -> None:
        if value is not None and optimizer.gradient_transformers:
            raise ValueError(
                f"`{self.name}` cannot be set when `gradient_transformers` is set."
            )
        vars(optimizer)[f"_{self.name}"] = value


class NumberOption:
    """A number that an optimizer may do without, as an attribute; a hyperparameter.

    Args:
      doc: What the number is.
      check: Raises for a number that is out of range.
    """

    def __init__(
        self, doc: str, check: Callable[[str, Any], None] | None = None
    ) -> None:
        self.__doc__ = doc
        self.check = check

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, cls: type | None = None) -> Any:
        if optimizer is None:
            return self
        if self.name in optimizer._hyper:
            return optimizer._get_hyper(self.name)
        return vars(optimizer).get(f"_{self.name}", _NUMBERS[self.name])

    def __set__(self, optimizer: Any, value: Any) -> None:
        if self.check is not None:
            self.check(self.name, value)
        set_option(optimizer, self.name, value)


def set_option(optimizer: Optimizer, name: str, value: Any) -> None:
    """Sets a number option; None, and a momentum without averages, is not in use."""
    options = optimizer._options
    if name in optimizer._hyper and name not in options:
        # A subclass has a hyperparameter of that name, with a meaning of its own.
        optimizer._set_hyper(name, value)
        return
    if not (isinstance(value, (Tensor, Variable)) or callable(value)):
        check_not_negative(name, value)
    if value is None or (name == "ema_momentum" and not optimizer.use_ema):
        optimizer._hyper.pop(name, None)
        options.discard(name)
        vars(optimizer)[f"_{name}"] = value
    else:
        options.add(name)
        optimizer._set_hyper(name, value)


def take_options(optimizer: Optimizer, kwargs: dict[str, Any]) -> None:
    """Sets the options that a constructor was given.

    Raises:
      TypeError: An unknown keyword.
      ValueError: A number that is out of range, or options that exclude each other.
    """
    check_keywords(kwargs)
    options = vars(optimizer)
    for clip in CLIPS:
        if kwargs.get(clip) is not None:
            options[f"_{clip}"] = kwargs[clip]
    _check_clips(optimizer)
    options |= {name: kwargs[name] for name in _PLAIN if name in kwargs}
    options["use_ema"] = bool(options.get("use_ema", False))
    if kwargs.get("decay") is not None:
        options["_initial_decay"] = kwargs["decay"]
    optimizer._hyper.old_rate = kwargs.get("lr")
    options["learning_rate_factors"] = selections(kwargs.get("learning_rate_factors"))
    for name, default in _NUMBERS.items():
        value = kwargs.get(name)
        set_option(optimizer, name, default if value is None else value)
    _check_options(optimizer)


def _check_options(optimizer: Optimizer) -> None:
    steps = optimizer.gradient_accumulation_steps
    every = optimizer.ema_overwrite_frequency
    if steps is not None and (not isinstance(steps, int) or steps < 2):
        raise ValueError(
            "`gradient_accumulation_steps` must be an integer >= 2. Received: "
            f"gradient_accumulation_steps={steps}"
        )
    if every is not None and (not isinstance(every, int) or every < 1):
        raise ValueError(
            "`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
            f"ema_overwrite_frequency={every}"
        )
    if optimizer.on_nonfinite not in ON_NONFINITE:
        raise ValueError(
            f"`on_nonfinite` must be one of {ON_NONFINITE}; got "
            f"{optimizer.on_nonfinite!r}."
        )
    if optimizer.use_ema:
        check_fraction("ema_momentum", optimizer._hyper["ema_momentum"])


def _check_clips(optimizer: Optimizer) -> None:
    norm, norm_of_all = optimizer.clipnorm, optimizer.global_clipnorm
    if norm is not None and norm_of_all is not None:
        raise ValueError(
            "Cannot accept both `clipnorm` and `global_clipnorm`; got "
            f"clipnorm={norm}, global_clipnorm={norm_of_all}."
        )
    if optimizer.gradient_transformers and any(
        getattr(optimizer, clip) is not None for clip in CLIPS
    ):
        raise ValueError(
            "`clipnorm`, `clipvalue` and `global_clipnorm` may not be set together "
            "with `gradient_transformers`."
        )


def list_options(optimizer: Optimizer) -> dict[str, Any]:
    """Returns the options that differ from their defaults and that are no numbers."""
    config = {name: getattr(optimizer, name) for name in (*CLIPS, *_PLAIN)}
    config = {
        name: value
        for name, value in config.items()
        if value is not None and (value or name in CLIPS)
    }
    chain = serialize_chain(optimizer.gradient_transformers)
    if chain:
        config["gradient_transformers"] = chain
    factors = optimizer.learning_rate_factors
    named = [(key, factor) for key, factor in factors if type(key) is str]
    if named:
        config["learning_rate_factors"] = dict(named)
    names = [each for each in optimizer._not_decayed if type(each) is str]
    if names:
        config["exclude_from_weight_decay"] = names
    return config


def arguments_of(
    config: dict[str, Any], custom_objects: dict[str, Any] | None
) -> dict[str, Any]:
    """Returns the arguments of a constructor for a config, schedules and all."""
    arguments = dict(config)
    rate = arguments.get("learning_rate")
    if isinstance(rate, dict):
        arguments["learning_rate"] = deserialize(rate, custom_objects)
    chain = arguments.get("gradient_transformers")
    if chain is not None:
        arguments["gradient_transformers"] = deserialize_chain(chain)
    return arguments


def selections(given: Any) -> list[tuple[Selector, Any]]:
    """Returns pairs of a selector and what is chosen for it.

    Args:
      given: A mapping, a list of pairs, or None.

    Raises:
      TypeError: A selector is no variable, text or function.
    """
    pairs = given.items() if isinstance(given, Mapping) else given or ()
    found = [(selector, value) for selector, value in pairs]
    for selector, _ in found:
        if not isinstance(selector, (Variable, str)) and not callable(selector):
            raise TypeError(
                "Variables are chosen by a variable, a regular expression or a function "
                f"of the variable; got {selector!r}."
            )
    return found


def is_selected(var: Variable, selector: Selector) -> bool:
    """Whether a selector means a variable."""
    if isinstance(selector, Variable):
        return selector.key is var.key
    if isinstance(selector, str):
        return re.search(selector, var.key.name) is not None
    return bool(selector(var))


def check_keywords(kwargs: dict[str, Any]) -> None:
    """Refuses keywords that no optimizer has, and negative numbers.

    Raises:
      TypeError: An unknown keyword.
      ValueError: A negative number.
    """
    for key, value in kwargs.items():
        if key not in ALLOWED_KEYWORDS:
            raise TypeError(
                f"Unexpected keyword argument passed to optimizer: {key}. Allowed "
                f"are {', '.join(ALLOWED_KEYWORDS)}{nearest_keyword(key)}."
            )
        # A learning rate below 0 goes up, and is no mistake.
        if key != "lr":
            check_not_negative(key, value)
    if kwargs.get("lr") is not None:
        warnings.warn(
            "The `lr` argument is deprecated, use `learning_rate` instead.",
            UserWarning,
            stacklevel=5,
        )


def exclude_from_weight_decay(
    self: Optimizer,
    var_list: Iterable[Variable] | None = None,
    var_names: Iterable[str] | None = None,
) -> None:
    """Leaves variables without weight decay; the last call counts.

    Args:
      var_list: Variables.
      var_names: Regular expressions; a variable in whose name one of them is found
        is left out.

    Source: `keras.optimizers.Optimizer.exclude_from_weight_decay`.
    """
    self._not_decayed = [*(var_list or ()), *(var_names or ())]


def decays(self: Optimizer, var: Variable) -> bool:
    """Whether weight decay acts on a variable."""
    return not any(is_selected(var, each) for each in self._not_decayed)


def factor_of(self: Optimizer, var: Variable) -> Any:
    """What the learning rate of a variable is multiplied by, or None."""
    for selector, factor in self.learning_rate_factors:
        if is_selected(var, selector):
            return factor
    return None


def finalize_variable_values(self: Optimizer, var_list: Iterable[Variable]) -> Any:
    """Gives variables their averages, at the end of training with `use_ema`.

    Args:
      var_list: Variables that were updated.

    Returns:
      In a graph an op to run; None in eager mode. Without `use_ema` it does nothing.

    Source: `keras.optimizers.Optimizer.finalize_variable_values`.
    """
    if not self.use_ema:
        return no_op()
    pairs = [(var, self.get_slot(var, AVERAGE)) for var in var_list]
    _refuse_pieces(self, [average for _, average in pairs])
    done = [var.assign(average, read_value=False) for var, average in pairs]
    return group(*done) if building_graph() is not None else None


def swap_variable_values(self: Optimizer, var_list: Iterable[Variable]) -> Any:
    """Exchanges variables and their averages: before an evaluation, and back after.

    Args:
      var_list: Variables that were updated.

    Returns:
      In a graph an op to run; None in eager mode.

    Raises:
      ValueError: The optimizer keeps no averages.

    Source: `keras.callbacks.SwapEMAWeights`.
    """
    if not self.use_ema:
        raise ValueError(f"Optimizer {self._name!r} was made without use_ema=True.")
    done = []
    variables = list(var_list)
    _refuse_pieces(self, [self.get_slot(var, AVERAGE) for var in variables])
    for var in variables:
        average = self.get_slot(var, AVERAGE)
        value, mean = var.read_value(), average.read_value()
        done.append(var.assign(mean, read_value=False))
        done.append(average.assign(value, read_value=False))
    return group(*done) if building_graph() is not None else None


def _refuse_pieces(optimizer: Optimizer, averages: list[Variable]) -> None:
    """Refuses to give variables averages of which this rank has only a piece."""
    if any(average.piece is not None for average in averages):
        raise NotImplementedError(
            f"Optimizer {optimizer._name!r} keeps averages in pieces, one on each rank "
            "(shard_optimizer=True), which are not put together here; save a "
            "checkpoint, which holds whole ones."
        )
