"""What every optimizer takes besides its equation: clipping, decay, averages, and so on.

These are the keywords of TensorFlow's OptimizerV2 and those of Keras 3 that do not clash
with them. What is a number stays a number of the step: it becomes a variable like the
learning rate, so that a new one compiles nothing.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphopt.graph.context import building_graph
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers.checks import (
    ALLOWED_KEYWORDS,
    CLIPS,
    ON_NONFINITE,
    GradsAndVars,
    check_fraction,
    check_not_negative,
    nearest_keyword,
)
from graphopt.keras.optimizers.state import OptimizerState
from graphopt.keras.optimizers.transformers import serialize_chain
from graphopt.keras.optimizers.updates import AVERAGE
from graphopt.ops.state import group, no_op
from graphopt.runtime.variable import Variable

# A variable, a regular expression that its name is searched for, or a function of it.
Selector = Variable | str | Callable[[Variable], bool]


class OptimizerOptions(OptimizerState):
    """The options of an optimizer, as attributes."""

    def __init__(
        self,
        name: str,
        gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None,
        gradient_transformers: Sequence[Callable[[GradsAndVars], GradsAndVars]] | None,
        kwargs: dict[str, Any],
    ) -> None:
        super().__init__(name)
        # Hyperparameters that are options of this class; a subclass may have one of the
        # same name, of which nothing is done here.
        self._options: set[str] = set()
        check_keywords(kwargs)
        self.gradient_aggregator = gradient_aggregator
        self.gradient_transformers = list(gradient_transformers or ())
        self._clipnorm = kwargs.get("clipnorm")
        self._clipvalue = kwargs.get("clipvalue")
        self._global_clipnorm = kwargs.get("global_clipnorm")
        self._check_clips()
        decay = kwargs.get("decay")
        self._initial_decay = 0.0 if decay is None else decay
        self._old_rate = kwargs.get("lr")
        self.use_ema = bool(kwargs.get("use_ema", False))
        self.ema_overwrite_frequency = kwargs.get("ema_overwrite_frequency")
        self.gradient_accumulation_steps = kwargs.get("gradient_accumulation_steps")
        self.on_nonfinite: str | None = kwargs.get("on_nonfinite")
        self.learning_rate_factors = selections(kwargs.get("learning_rate_factors"))
        self._not_decayed: list[Selector] = []
        momentum = kwargs.get("ema_momentum")
        self._set_option("ema_momentum", 0.99 if momentum is None else momentum)
        self._set_option("weight_decay", kwargs.get("weight_decay"))
        self._set_option("loss_scale_factor", kwargs.get("loss_scale_factor"))
        self._check_options()

    def _set_option(self, name: str, value: Any) -> None:
        """Sets a number that an optimizer may do without."""
        if name in self._hyper and name not in self._options:
            # A subclass has a hyperparameter of that name, with a meaning of its own.
            self._set_hyper(name, value)
            return
        if not (isinstance(value, (Tensor, Variable)) or callable(value)):
            check_not_negative(name, value)
        if value is None or (name == "ema_momentum" and not self.use_ema):
            self._hyper.pop(name, None)
            self._options.discard(name)
            self.__dict__[f"_{name}"] = value
        else:
            self._options.add(name)
            self._set_hyper(name, value)

    def _get_option(self, name: str) -> Any:
        """Returns an option, as `_set_option` left it; None if it is not in use."""
        if name in self._options:
            return self._get_hyper(name)
        return None if name in self._hyper else self.__dict__.get(f"_{name}")

    def _shown_option(self, name: str) -> Any:
        """Returns what the attribute of an option shows."""
        if name in self._hyper:
            return self._get_hyper(name)
        return self.__dict__.get(f"_{name}")

    @property
    def weight_decay(self) -> Any:
        """How much of a variable is taken away in a step, times the learning rate."""
        return self._shown_option("weight_decay")

    @weight_decay.setter
    def weight_decay(self, value: Any) -> None:
        self._set_option("weight_decay", value)

    @property
    def ema_momentum(self) -> Any:
        """How much of the average of a variable is kept in a step."""
        return self._shown_option("ema_momentum")

    @ema_momentum.setter
    def ema_momentum(self, value: Any) -> None:
        check_fraction("ema_momentum", value)
        self._set_option("ema_momentum", value)

    @property
    def loss_scale_factor(self) -> Any:
        """What the loss is multiplied by and gradients are divided by, or None."""
        return self._shown_option("loss_scale_factor")

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: Any) -> None:
        self._set_option("loss_scale_factor", value)

    def _check_options(self) -> None:
        steps, every = self.gradient_accumulation_steps, self.ema_overwrite_frequency
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
        if self.on_nonfinite not in ON_NONFINITE:
            raise ValueError(
                f"`on_nonfinite` must be one of {ON_NONFINITE}; got "
                f"{self.on_nonfinite!r}."
            )
        if self.use_ema:
            check_fraction("ema_momentum", self._hyper["ema_momentum"])

    # ---- clipping

    def _check_clips(self) -> None:
        if self._clipnorm is not None and self._global_clipnorm is not None:
            raise ValueError(
                "Cannot accept both `clipnorm` and `global_clipnorm`; got "
                f"clipnorm={self._clipnorm}, global_clipnorm={self._global_clipnorm}."
            )
        if self.gradient_transformers and any(
            getattr(self, f"_{clip}") is not None for clip in CLIPS
        ):
            raise ValueError(
                "`clipnorm`, `clipvalue` and `global_clipnorm` may not be set together "
                "with `gradient_transformers`."
            )

    @property
    def clipnorm(self) -> Any:
        """The largest norm of each gradient, or None."""
        return self._clipnorm

    @clipnorm.setter
    def clipnorm(self, value: Any) -> None:
        self._set_clip("clipnorm", value)

    @property
    def clipvalue(self) -> Any:
        """The largest absolute value of an element of a gradient, or None."""
        return self._clipvalue

    @clipvalue.setter
    def clipvalue(self, value: Any) -> None:
        self._set_clip("clipvalue", value)

    @property
    def global_clipnorm(self) -> Any:
        """The largest norm of all gradients together, or None."""
        return self._global_clipnorm

    @global_clipnorm.setter
    def global_clipnorm(self, value: Any) -> None:
        self._set_clip("global_clipnorm", value)

    def _set_clip(self, name: str, value: Any) -> None:
        if value is not None and self.gradient_transformers:
            raise ValueError(
                f"`{name}` cannot be set when `gradient_transformers` is set."
            )
        setattr(self, f"_{name}", value)

    # ---- which variables

    def exclude_from_weight_decay(
        self,
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

    def _decays(self, var: Variable) -> bool:
        """Whether weight decay acts on a variable."""
        return not any(is_selected(var, each) for each in self._not_decayed)

    def _factor_of(self, var: Variable) -> Any:
        """What the learning rate of a variable is multiplied by, or None."""
        for selector, factor in self.learning_rate_factors:
            if is_selected(var, selector):
                return factor
        return None

    # ---- averages

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> Any:
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
        done = [var.assign(average, read_value=False) for var, average in pairs]
        return group(*done) if building_graph() is not None else None

    def swap_variable_values(self, var_list: Iterable[Variable]) -> Any:
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
        for var in var_list:
            average = self.get_slot(var, AVERAGE)
            value, mean = var.read_value(), average.read_value()
            done.append(var.assign(mean, read_value=False))
            done.append(average.assign(value, read_value=False))
        return group(*done) if building_graph() is not None else None

    # ---- configuration

    def _option_config(self) -> dict[str, Any]:
        """The options that differ from their defaults and that are no numbers."""
        config: dict[str, Any] = {}
        for clip in CLIPS:
            if getattr(self, f"_{clip}") is not None:
                config[clip] = getattr(self, f"_{clip}")
        for name in (
            "use_ema",
            "ema_overwrite_frequency",
            "gradient_accumulation_steps",
            "on_nonfinite",
        ):
            if getattr(self, name):
                config[name] = getattr(self, name)
        chain = serialize_chain(self.gradient_transformers)
        if chain:
            config["gradient_transformers"] = chain
        named = [(key, f) for key, f in self.learning_rate_factors if type(key) is str]
        if named:
            config["learning_rate_factors"] = dict(named)
        names = [each for each in self._not_decayed if type(each) is str]
        if names:
            config["exclude_from_weight_decay"] = names
        return config


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
