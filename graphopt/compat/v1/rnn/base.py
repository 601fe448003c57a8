"""`RNNCell`: one step of a recurrent network, with its variables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras.variable_scopes import (
    VariableScope,
    get_variable,
    variable_scope,
)
from graphopt.ops.creation import shape, zeros
from graphopt.runtime.module import snake_case


def default_scope(base: str, reuse: Any = None) -> Any:
    """Enters a scope with a name that is new where it is entered, or that is reused."""
    if reuse:
        return variable_scope(base, reuse=True)
    return variable_scope(None, default_name=base)


def state_zeros(state_size: Any, batch_size: Any, dtype: Any) -> Any:
    """Returns zeros for a nest of state sizes: `[batch, ...]` each."""

    def one(size: Any) -> Any:
        return zeros([batch_size, *TensorShape(size)], dtype)

    return map_sizes(one, state_size)


def map_sizes(function: Callable[..., Any], sizes: Any, *others: Any) -> Any:
    """As `nest.map_structure`, for sizes: a `TensorShape` is one of them."""
    if isinstance(sizes, TensorShape) or not nest.is_nested(sizes):
        return function(sizes, *others)
    parts = [map_sizes(function, *each) for each in zip(sizes, *others, strict=True)]
    return type(sizes)(*parts) if hasattr(sizes, "_fields") else type(sizes)(parts)


def static_size(tensor: Any, axis: int) -> Any:
    """Returns a dimension as a number if it is known, else as a scalar tensor."""
    known = tensor.shape[axis] if tensor.shape.rank is not None else None
    return shape(tensor)[axis] if known is None else known


class RNNCell:
    """One step of a recurrent network: `cell(inputs, state)` is `(output, new state)`.

    A subclass has `state_size` and `output_size`, makes its variables in `build` (or with
    `tf.get_variable` in `call`) and computes in `call`. Variables are made by the first call,
    in a scope named after the class within the scope of that call.

    Args:
      trainable: Whether variables are trainable.
      name: The name of the scope; by default that of the class.
      dtype: The dtype of variables; by default that of the inputs.
      **kwargs: `reuse`, accepted as `_reuse` too, and what other layers take.

    Source: `tf.compat.v1.nn.rnn_cell.RNNCell`.
    """

    # Subclasses of users do not always call the constructor.
    trainable = True
    built = False
    _given_name: str | None = None
    _dtype: Any = None
    _reuse: Any = None
    _scope: VariableScope | None = None
    _own: list[Any]

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        self.trainable = trainable
        self._given_name = name
        self._dtype = dtype
        self._reuse = kwargs.get("_reuse", kwargs.get("reuse"))

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **more: Any) -> Any:
        """Runs the cell on one step.

        Args:
          inputs: `[batch, ...]`.
          state: A nest as `state_size`, each `[batch, ...]`.
          scope: The scope of the variables; by default one named after the class.
          **more: What `call` takes besides.

        Returns:
          The output, and the new state.
        """
        inputs = nest.map_structure(_convert, inputs)
        with self._entered(scope):
            if not self.built:
                self._dtype = self._dtype or nest.flatten(inputs)[0].dtype
                self.build(nest.map_structure(lambda t: t.shape, inputs))
                result = self.call(inputs, state, **more)
                self.built = True
                return result
            return self.call(inputs, state, **more)

    @contextlib.contextmanager
    def _entered(self, scope: Any) -> Iterator[VariableScope]:
        reuse = True if self.built or self._reuse else None
        if self._scope is not None:
            entered = variable_scope(self._scope, reuse=reuse)
        elif scope is not None:
            entered = variable_scope(scope, reuse=reuse)
        else:
            entered = default_scope(self._given_name or self._base_name, reuse)
        with entered as found:
            if self._scope is None:
                self._scope = found
            yield found

    @property
    def _base_name(self) -> str:
        return snake_case(type(self).__name__)

    @property
    def state_size(self) -> Any:
        """The size, or nest of sizes, of the state."""
        raise NotImplementedError("Abstract method")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        raise NotImplementedError("Abstract method")

    def build(self, inputs_shape: Any) -> None:
        """Makes the variables; called once."""

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        raise NotImplementedError("Abstract method")

    @property
    def name(self) -> str:
        """The name of the scope."""
        if self._scope is not None:
            return self._scope.name.rpartition("/")[2]
        return self._given_name or self._base_name

    @property
    def scope_name(self) -> str:
        """The full name of the scope of the variables."""
        if self._scope is None:
            raise ValueError(
                "No name available for layer scope: it was not called yet."
            )
        return self._scope.name

    @property
    def dtype(self) -> Any:
        """The dtype of the variables."""
        return self._dtype

    @property
    def variables(self) -> list[Any]:
        """The variables, in the order in which they were made."""
        return [*self.__dict__.get("_own", []), *self._inner("variables")]

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that are trainable."""
        return [v for v in self.variables if v.trainable]

    weights = variables
    trainable_weights = trainable_variables

    def _inner(self, what: str) -> list[Any]:
        """What the cells inside of this one have."""
        cells = getattr(self, "_cells", None) or [getattr(self, "_cell", None)]
        return [
            v for cell in cells if cell is not None for v in getattr(cell, what, [])
        ]

    def add_weight(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        **_ignored: Any,
    ) -> Any:
        """Makes a variable in the scope of the cell, or finds it there."""
        made = get_variable(
            name,
            shape,
            dtype or self._dtype,
            initializer,
            regularizer,
            self.trainable if trainable is None else trainable,
            constraint=constraint,
        )
        self.__dict__.setdefault("_own", []).append(made)
        return made

    add_variable = add_weight

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns a state of zeros.

        Args:
          batch_size: An integer or a scalar tensor.
          dtype: The element type.

        Returns:
          A nest as `state_size`, each `[batch_size, ...]`.
        """
        return state_zeros(self.state_size, batch_size, dtype)

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """Returns a state of zeros, for a batch of inputs or of a given size.

        Raises:
          ValueError: The batch size or the dtype is not known.
        """
        if inputs is not None:
            first = hooks.convert(nest.flatten(inputs)[0])
            batch_size = static_size(first, 0) if batch_size is None else batch_size
            dtype = dtype or first.dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"batch_size={batch_size}, dtype={dtype}"
            )
        return self.zero_state(batch_size, dtype)

    def _require_width(self, inputs_shape: Any) -> int:
        width = TensorShape(inputs_shape)[-1]
        if width is None:
            raise fail(
                ValueError,
                "Expected inputs.shape[-1] to be known",
                got=f"shape {inputs_shape}",
                expected="[batch, width]",
                site=str(user_site()),
            )
        return int(width)


def _convert(value: Any) -> Any:
    return value if isinstance(value, Tensor) else hooks.convert(value)


def is_cell(cell: Any) -> bool:
    """Whether something can be used as a cell."""
    return (
        callable(cell) and hasattr(cell, "output_size") and hasattr(cell, "state_size")
    )


def assert_cell(what: str, cell: Any) -> None:
    """Checks that something can be used as a cell.

    Raises:
      TypeError: It cannot.
    """
    if not is_cell(cell):
        raise TypeError(
            f"The argument {what!r} ({cell!r}) is not an RNNCell: it needs output_size, "
            "state_size and to be callable."
        )
