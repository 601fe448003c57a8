"""`InputSpec`: what a layer expects of its inputs, checked at every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site


class InputSpec:
    """What a layer expects of an input.

    Args:
      dtype: Its dtype.
      shape: Its shape, None for any size.
      ndim: Its rank.
      max_ndim: The largest rank.
      min_ndim: The least rank.
      axes: From dimensions to their sizes; None for any.
      allow_last_axis_squeeze: Whether a last dimension of 1 may be missing or too many.
      name: The key of the input, where inputs are a dict.

    >>> import graphopt as tf
    >>> spec = tf.keras.layers.InputSpec(min_ndim=2, axes={-1: 4})
    >>> spec.min_ndim, spec.axes
    (2, {-1: 4})

    Source: `tf.keras.layers.InputSpec`.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
    ) -> None:
        self.dtype = None if dtype is None else as_dtype(dtype).name
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        """Makes one of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        items = [f"{k}={v}" for k, v in self.get_config().items() if v]
        return f"InputSpec({', '.join(items)})"

    def find_misfit(self, shape: Any, dtype: Any) -> str | None:
        """Returns what is wrong with a shape: `expected ..., found ...`, or None."""
        rank = shape.rank
        if rank is None:
            return None
        if self.dtype is not None and dtype.name != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={dtype.name}"
        dims = list(shape)
        if self.allow_last_axis_squeeze and self.shape is not None:
            wanted = list(self.shape)
            if len(dims) == len(wanted) + 1 and dims[-1] == 1:
                dims = dims[:-1]
            elif len(wanted) == len(dims) + 1 and wanted[-1] == 1:
                dims = [*dims, 1]
        elif self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        for axis, size in self.axes.items():
            if size is not None and dims[axis] not in (size, None):
                return f"expected axis {axis} of input shape to have value {size}"
        if self.shape is not None:
            pairs = zip(self.shape, dims, strict=False)
            if len(dims) != len(self.shape) or any(
                None not in (want, have) and want != have for want, have in pairs
            ):
                return f"expected shape={self.shape}, found shape={tuple(dims)}"
        return None


def check_inputs(layer: Any, spec: Any, inputs: Any) -> None:
    """Checks inputs against what a layer expects.

    Args:
      layer: The layer, for its name.
      spec: An `InputSpec`, or a nest of them.
      inputs: A tensor, or a nest of them.

    Raises:
      ValueError: They do not fit.
    """
    specs = nest.flatten(spec)
    if isinstance(inputs, dict) and all(getattr(s, "name", None) for s in specs):
        missing = [s.name for s in specs if s.name not in inputs]
        if missing:
            raise ValueError(
                f"Missing data for input {missing[0]!r} of layer {layer.name!r}. You "
                f"passed a data dictionary with keys {list(inputs)}. Expected the "
                f"following keys: {[s.name for s in specs]}"
            )
        found = [inputs[s.name] for s in specs]
    else:
        found = nest.flatten(inputs)
    if len(found) != len(specs):
        raise fail(
            ValueError,
            f'Layer "{layer.name}" expects {len(specs)} input(s), but it received '
            f"{len(found)} input tensors",
            got=", ".join(f"{x.dtype.name}{x.shape}" for x in found),
            expected=f"{len(specs)}",
            site=str(user_site()),
        )
    for index, (want, x) in enumerate(zip(specs, found, strict=True)):
        wrong = None if want is None else want.find_misfit(x.shape, x.dtype)
        if wrong:
            raise fail(
                ValueError,
                f'Input {index} of layer "{layer.name}" is incompatible with the layer: '
                f"{wrong}. Full shape received: {x.shape}",
                got=f"{x.dtype.name}{x.shape}",
                expected=repr(want),
                op=getattr(x, "op", None),
                site=str(user_site()),
                remedy="tf.reshape or tf.expand_dims, or another input_shape",
            )
