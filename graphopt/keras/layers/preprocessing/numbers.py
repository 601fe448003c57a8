"""Normalization and Discretization: numbers to numbers of a known range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras import backend
from graphopt.keras.layers.preprocessing.base import PreprocessingLayer, as_tensor
from graphopt.keras.layers.preprocessing.encoding import (
    encode,
    infer_encoded_shape,
    read_mode,
)
from graphopt.ops.elementwise import cast, greater_equal, maximum, sqrt
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims, reshape


class Normalization(PreprocessingLayer):
    """(x - mean) / sqrt(variance), of moments that are given or learned by `adapt`.

    Args:
      axis: The axes that have moments of their own; None for the same of all.
      mean, variance: The moments, if they are known.
      invert: Whether the inputs are normalized and the outputs are not.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: One of the moments is given without the other.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Normalization(axis=None)
    >>> layer.adapt([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> [round(v, 3) for v in layer([1.0, 3.0]).numpy().tolist()]
    [-1.414, 0.0]

    Source: `tf.keras.layers.Normalization`.
    """

    config_names = ("axis", "invert")

    def __init__(
        self,
        axis: Any = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise fail(
                ValueError,
                "When setting values directly, both `mean` and `variance` must be set",
                got=f"mean={mean} and variance={variance}",
                site=str(user_site()),
            )
        axes = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.axis, self.invert = axes, invert
        self.input_mean: Any = None if mean is None else np.asarray(mean)
        self.input_variance: Any = None if variance is None else np.asarray(variance)
        self.mean: Any = None
        self.variance: Any = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Makes the moments."""
        shape = TensorShape(input_shape)
        rank = len(shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise fail(
                ValueError,
                "All `axis` values must be in the range [-ndim, ndim)",
                got=f"axis={self.axis} and inputs of shape {shape}",
                site=str(user_site()),
            )
        self._kept = sorted(axis % rank for axis in self.axis)
        unknown = [axis for axis in self._kept if shape[axis] is None]
        if unknown:
            raise fail(
                ValueError,
                "All `axis` values to be kept must have a known shape",
                got=f"axis={self.axis} and inputs of shape {shape}",
                site=str(user_site()),
            )
        sizes = [shape[axis] for axis in self._kept]
        self._spread = [shape[i] if i in self._kept else 1 for i in range(rank)]
        if self.input_mean is not None:
            ones = np.ones([int(size or 1) for size in sizes])
            self._set_moments(self.input_mean * ones, self.input_variance * ones)
            return
        dtype = self.compute_dtype
        options: dict[str, Any] = {"shape": sizes, "dtype": dtype, "trainable": False}
        self.adapt_mean = self.add_weight(name="mean", initializer="zeros", **options)
        self.adapt_variance = self.add_weight(
            name="variance", initializer="ones", **options
        )
        self.count = self.add_weight(
            name="count",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
        )
        self._sums: list[Any] = [0, 0.0, 0.0]

    def _set_moments(self, mean: Any, variance: Any) -> None:
        dtype = as_dtype(self.compute_dtype).numpy
        self.mean = np.asarray(mean, dtype).reshape(self._spread)
        self.variance = np.asarray(variance, dtype).reshape(self._spread)

    def reset_state(self) -> None:
        """Forgets the moments."""
        if self.input_mean is not None:
            raise fail(
                ValueError,
                "Cannot `adapt` a Normalization layer that is initialized with static "
                "`mean` and `variance`",
                got=f"mean {self.input_mean} and variance {self.input_variance}",
                site=str(user_site()),
            )
        self._sums = [0, 0.0, 0.0]

    def update_state(self, data: Any) -> None:
        """Counts a batch."""
        x = np.asarray(data.numpy(), np.float64)
        others = tuple(i for i in range(x.ndim) if i not in self._kept)
        count, mean, square = self._sums
        more = math.prod(x.shape[i] for i in others)
        if not more:
            return
        new, spread = x.mean(others), x.var(others)
        total = count + more
        # Of two groups: their variances, and that of their means.
        apart = new - mean
        mean = mean + apart * (more / total)
        square = square + spread * more + apart**2 * (count * more / total)
        self._sums = [total, mean, square]

    def finalize_state(self) -> None:
        """Sets the weights to what was counted."""
        count, mean, square = self._sums
        if count:
            self.adapt_mean.assign(np.asarray(mean, self.adapt_mean.dtype.numpy))
            spread = np.asarray(square / count, self.adapt_variance.dtype.numpy)
            self.adapt_variance.assign(spread)
            self.count.assign(np.int64(count))

    def call(self, inputs: Any) -> Any:
        """Returns normalized inputs, or the other way round."""
        dtype = as_dtype(self.compute_dtype)
        x = cast(inputs, dtype)
        mean, variance = self.mean, self.variance
        if mean is None:
            mean = reshape(self.adapt_mean, self._spread)
            variance = reshape(self.adapt_variance, self._spread)
        deviation = maximum(sqrt(variance), backend.epsilon())
        return mean + x * deviation if self.invert else (x - mean) / deviation

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""

        def plain(value: Any) -> Any:
            return None if value is None else value.tolist()

        config = {**super().get_config(), "axis": self.axis or None}
        config["mean"] = plain(self.input_mean)
        config["variance"] = plain(self.input_variance)
        return config


class Discretization(PreprocessingLayer):
    """The number of the bin that a number is in.

    Args:
      bin_boundaries: Where bins end, in order; those before the first and after the last
        are bins as well.
      num_bins: How many bins `adapt` makes of the quantiles of data, instead.
      epsilon: Accepted for compatibility: quantiles are exact.
      output_mode: "int", "one_hot", "multi_hot" or "count".
      sparse: Must be False.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: Both boundaries and a number of bins are given.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
    >>> layer([[-1.5, 1.0, 3.4, 0.5]]).numpy().tolist()
    [[0, 2, 3, 1]]

    Source: `tf.keras.layers.Discretization`.
    """

    config_names = ("num_bins", "epsilon", "output_mode", "sparse")

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        self.output_mode = read_mode(
            output_mode, ("int", "one_hot", "multi_hot", "count")
        )
        if "dtype" not in kwargs:
            kwargs["dtype"] = "int64" if self.output_mode == "int" else None
        super().__init__(autocast=False, **kwargs)
        _refuse_sparse(sparse)
        if num_bins is not None and num_bins < 0:
            raise ValueError(
                f"`num_bins` must be greater than or equal to 0; got num_bins={num_bins}."
            )
        if num_bins is not None and bin_boundaries is not None:
            raise fail(
                ValueError,
                "Both `num_bins` and `bin_boundaries` should not be set",
                got=f"num_bins={num_bins} and bin_boundaries={bin_boundaries}",
                site=str(user_site()),
            )
        self.num_bins, self.epsilon, self.sparse = num_bins, epsilon, sparse
        self.input_bin_boundaries = bin_boundaries
        self.bin_boundaries: NDArray[Any] = np.asarray(
            [] if bin_boundaries is None else bin_boundaries, np.float32
        )
        self._seen: list[Any] = []

    def reset_state(self) -> None:
        """Forgets the boundaries."""
        if self.input_bin_boundaries is not None:
            raise fail(
                ValueError,
                "Cannot adapt a Discretization layer that has been initialized with "
                "`bin_boundaries`; use `num_bins` instead",
                got=f"bin_boundaries={self.input_bin_boundaries}",
                site=str(user_site()),
            )
        self._seen = []

    def update_state(self, data: Any) -> None:
        """Keeps the numbers of a batch."""
        self._seen.append(np.ravel(data.numpy()))

    def finalize_state(self) -> None:
        """Sets the boundaries to quantiles."""
        if not self._seen or not self.num_bins:
            return
        values = np.sort(np.concatenate(self._seen))
        shares = np.arange(1, self.num_bins) / self.num_bins
        found = np.quantile(values, shares, method="inverted_cdf")
        self.bin_boundaries = np.asarray(found, np.float32)
        self._seen = []

    def call(self, inputs: Any) -> Any:
        """Returns the numbers of bins, or an encoding of them."""
        x = cast(as_tensor(inputs), "float32")
        above = greater_equal(expand_dims(x, -1), self.bin_boundaries)
        bins = reduce_sum(cast(above, "int64"), -1)
        if self.output_mode == "int":
            return cast(bins, as_dtype(self.compute_dtype))
        depth = len(self.bin_boundaries) + 1
        return encode(bins, self.output_mode, depth, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        return infer_encoded_shape(
            input_shape, self.output_mode, len(self.bin_boundaries) + 1
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        given = self.input_bin_boundaries
        if self._was_adapted:
            # What was learned is worth keeping; it is as if it had been given.
            given = self.bin_boundaries.tolist()
        config = {**super().get_config(), "bin_boundaries": given}
        if given is not None:
            config["num_bins"] = None
        return config


def _refuse_sparse(sparse: bool) -> None:
    if sparse:
        raise NotImplementedError("Preprocessing layers with sparse=True.")
