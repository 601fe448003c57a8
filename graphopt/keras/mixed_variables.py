"""Variables of layers that compute in another dtype than that which they are kept in."""

from __future__ import annotations

from typing import Any

from graphopt.keras.calls import context
from graphopt.ops.elementwise import cast
from graphopt.runtime.variable import Variable


class AutoCastVariable(Variable):
    """A variable that is read as the dtype that the layer being called computes in.

    Elsewhere, as in an optimizer, it is what it is kept in, float32.

    Source: `tf_keras.src.mixed_precision.autocast_variable.AutoCastVariable`.
    """

    @property
    def dtype(self) -> Any:
        """The dtype that it is read as now."""
        return context.compute_dtype or super().dtype

    @property
    def true_dtype(self) -> Any:
        """The dtype that it is kept in."""
        return super().dtype

    def read_value(self) -> Any:
        """Returns the value, in the dtype that the layer computes in."""
        value = super().read_value()
        wanted = context.compute_dtype
        return value if wanted is None else cast(value, wanted)
