"""Optimizers that are not ops: functions that ask for losses and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.autodiff.gradients import gradients
from graphopt.compat.v1 import logging
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import zeros_like
from graphopt.runtime.collections import trainable_variables

Array = NDArray[Any]


class ExternalOptimizerInterface:
    """Minimizes a loss over variables by a function outside of the graph.

    Subclasses define `_minimize`.

    Args:
      loss: A scalar.
      var_list: The variables; by default the trainable ones.
      equalities: Tensors that are to be 0.
      inequalities: Tensors that are to be 0 or more.
      var_to_bounds: Pairs of the least and the largest value, by variable.
      **optimizer_kwargs: For the function.

    Source: `tf.contrib.opt.ExternalOptimizerInterface`.
    """

    def __init__(
        self,
        loss: Any,
        var_list: Sequence[Any] | None = None,
        equalities: Sequence[Any] | None = None,
        inequalities: Sequence[Any] | None = None,
        var_to_bounds: Any = None,
        **optimizer_kwargs: Any,
    ) -> None:
        self._loss = loss
        self._equalities = list(equalities or ())
        self._inequalities = list(inequalities or ())
        self._vars = list(trainable_variables() if var_list is None else var_list)
        if not self._vars:
            raise ValueError("There are no variables to minimize over.")
        self.optimizer_kwargs = optimizer_kwargs
        self._packed_bounds = self._bounds(var_to_bounds)
        self._loss_gradients = self._derivatives(loss)
        self._equality_gradients = [self._derivatives(t) for t in self._equalities]
        self._inequality_gradients = [self._derivatives(t) for t in self._inequalities]

    def _derivatives(self, tensor: Any) -> list[Any]:
        found = gradients(tensor, self._vars)
        return [
            zeros_like(v.read_value())
            if g is None
            else (hooks.convert(g) if isinstance(g, IndexedSlices) else g)
            for g, v in zip(found, self._vars, strict=True)
        ]

    def _bounds(self, var_to_bounds: Any) -> list[tuple[float, float]] | None:
        if var_to_bounds is None:
            return None
        given = {var.key: bounds for var, bounds in var_to_bounds.items()}
        packed: list[tuple[float, float]] = []
        for var in self._vars:
            low, high = given.get(var.key, (-np.inf, np.inf))
            shape = tuple(var.shape)
            lows, highs = (np.broadcast_to(b, shape).ravel() for b in (low, high))
            packed += [(float(a), float(b)) for a, b in zip(lows, highs, strict=True)]
        return packed

    def minimize(
        self,
        session: Any = None,
        feed_dict: Any = None,
        fetches: Sequence[Any] | None = None,
        step_callback: Callable[[Array], Any] | None = None,
        loss_callback: Callable[..., Any] | None = None,
        **run_kwargs: Any,
    ) -> None:
        """Minimizes the loss; the variables have the result in the session.

        Args:
          session: The session; by default the innermost one.
          feed_dict: What is fed to each run.
          fetches: Tensors whose values `loss_callback` gets.
          step_callback: Called with the vector of all variables after each step.
          loss_callback: Called with the values of the fetches at each evaluation.
          **run_kwargs: For `session.run`.
        """
        from graphopt.runtime.names import require_session

        session = session or require_session()
        feeds, fetches = feed_dict or {}, list(fetches or ())
        callback = loss_callback or (lambda *values: None)

        def evaluate(tensors: list[Any]) -> Callable[[Array], tuple[Any, Array]]:
            def at(x: Array) -> tuple[Any, Array]:
                self._load(session, x)
                value, slopes, shown = session.run(
                    (tensors[0], tensors[1], fetches), feeds, **run_kwargs
                )
                if tensors[0] is self._loss:
                    callback(*shown)
                return value, self._pack(slopes)

            return at

        start = self._pack(session.run(self._vars))
        pairs = zip(self._equalities, self._equality_gradients, strict=True)
        equal = [evaluate([t, g]) for t, g in pairs]
        pairs = zip(self._inequalities, self._inequality_gradients, strict=True)
        unequal = [evaluate([t, g]) for t, g in pairs]
        found = self._minimize(
            initial_val=start,
            loss_grad_func=evaluate([self._loss, self._loss_gradients]),
            equality_funcs=equal,
            inequality_funcs=unequal,
            packed_bounds=self._packed_bounds,
            step_callback=step_callback or (lambda x: None),
            optimizer_kwargs=self.optimizer_kwargs,
        )
        self._load(session, found)

    def _pack(self, values: Sequence[Any]) -> Array:
        parts = [np.asarray(value, np.float64).ravel() for value in values]
        return np.concatenate(parts)

    def _load(self, session: Any, x: Array) -> None:
        place = 0
        for var in self._vars:
            size = int(var.shape.num_elements() or 0)
            part = np.asarray(x[place : place + size]).reshape(tuple(var.shape))
            session.load(var, part.astype(var.dtype.numpy))
            place += size

    def _minimize(self, **arguments: Any) -> Array:
        raise NotImplementedError(
            "To use ExternalOptimizerInterface, subclass from it and implement the "
            "_minimize() method."
        )


class ScipyOptimizerInterface(ExternalOptimizerInterface):
    """Minimizes by `scipy.optimize.minimize`, L-BFGS-B by default.

    SciPy is not installed with graphopt.

    Args:
      loss, var_list, equalities, inequalities, var_to_bounds: As in
        `ExternalOptimizerInterface`.
      **optimizer_kwargs: For `scipy.optimize.minimize`: `method`, `options`, `tol`.

    Raises:
      ImportError: SciPy is not installed.

    Source: `tf.contrib.opt.ScipyOptimizerInterface`.
    """

    _DEFAULT_METHOD = "L-BFGS-B"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _load_scipy()
        super().__init__(*args, **kwargs)

    def _minimize(self, **arguments: Any) -> Array:
        given = dict(arguments["optimizer_kwargs"])
        for name in ("args", "bounds", "callback", "constraints", "fun", "jac", "x0"):
            if name in given:
                raise fail(
                    ValueError,
                    f"Optimizer keyword arg {name!r} is set automatically and cannot be "
                    "injected manually",
                    got=repr(given[name]),
                    site=str(user_site()),
                )
        constraints = []
        for kind, functions in (
            ("eq", arguments["equality_funcs"]),
            ("ineq", arguments["inequality_funcs"]),
        ):
            for function in functions:
                parts = _split(function)
                constraints.append({"type": kind, "fun": parts[0], "jac": parts[1]})
        method = given.pop("method", "SLSQP" if constraints else self._DEFAULT_METHOD)
        options = {"bounds": arguments["packed_bounds"]}
        if constraints:
            options["constraints"] = constraints
        result = _load_scipy().minimize(
            arguments["loss_grad_func"],
            arguments["initial_val"],
            jac=True,
            method=method,
            callback=arguments["step_callback"],
            **options,
            **given,
        )
        logging.info("Optimization terminated with: %s", result.message)
        found: Array = result.x
        return found


def _split(function: Callable[[Array], tuple[Any, Array]]) -> tuple[Any, Any]:
    return lambda x: function(x)[0], lambda x: function(x)[1]


def _load_scipy() -> Any:
    try:
        from scipy import optimize
    except ImportError as error:
        raise ImportError(
            "ScipyOptimizerInterface needs SciPy, which is not installed; try "
            "`pip install scipy`."
        ) from error
    return optimize
