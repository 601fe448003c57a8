"""Layers that make one tensor of several, and the functions that make and call them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.dtypes import bool_
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras.layers.options import OptionLayer
from graphopt.ops import elementwise
from graphopt.ops.creation import ones_like
from graphopt.ops.einsum import einsum
from graphopt.ops.elementwise import cast, logical_and
from graphopt.ops.reduction import reduce_all
from graphopt.ops.shaping import concat, expand_dims
from graphopt.ops.statistics import l2_normalize


def _shapes_of(input_shape: Any, layer: Any) -> list[TensorShape]:
    is_list = isinstance(input_shape, (list, tuple)) and not isinstance(
        input_shape, TensorShape
    )
    if not is_list or not input_shape or not _is_shape(input_shape[0]):
        raise fail(
            ValueError,
            f"A merge layer should be called on a list of inputs: layer {layer.name!r}",
            got=f"input_shape={input_shape} (not a list of shapes)",
            expected="a list of tensors",
            site=str(user_site()),
        )
    return [TensorShape(shape) for shape in input_shape]


def _is_shape(value: Any) -> bool:
    return isinstance(value, (list, tuple, TensorShape))


class _Merge(OptionLayer):
    """A layer of a list of tensors that broadcast to each other."""

    least = 1

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the shapes of the inputs."""
        self._common_shape(input_shape)
        self.built = True

    def _common_shape(self, input_shape: Any) -> TensorShape:
        shapes = _shapes_of(input_shape, self)
        if len(shapes) < self.least:
            raise fail(
                ValueError,
                "A merge layer should be called on a list of at least "
                f"{self.least} input{'s' if self.least > 1 else ''}",
                got=f"{len(shapes)} inputs, input_shape={input_shape}",
                site=str(user_site()),
            )
        common = shapes[0]
        for shape in shapes[1:]:
            common = self._broadcast(common, shape)
        return common

    def _broadcast(self, first: TensorShape, second: TensorShape) -> TensorShape:
        """The shape of both; a tensor of less dimensions gets them after the batch."""
        if first.rank is None or second.rank is None:
            return TensorShape(None)
        rank = max(len(first), len(second))
        dims: list[int | None] = []
        for a, b in zip(_spread(first, rank), _spread(second, rank), strict=True):
            if a is None or b is None:
                # Where only one is known and is not 1, the other one fits or is 1.
                dims.append(
                    a if a not in (None, 1) else b if b not in (None, 1) else None
                )
            elif a == 1 or b == 1 or a == b:
                dims.append(max(a, b))
            else:
                raise fail(
                    ValueError,
                    "Inputs have incompatible shapes",
                    got=f"shapes {first} and {second} in layer {self.name!r}",
                    expected="equal shapes, or such as broadcast",
                    site=str(user_site()),
                )
        return TensorShape(dims)

    def merged(self, inputs: list[Any]) -> Any:
        """Returns one tensor of several of the same rank."""
        raise NotImplementedError

    def call(self, inputs: Any) -> Any:
        """Returns the merged inputs."""
        if not isinstance(inputs, (list, tuple)):
            _shapes_of(inputs.shape, self)
        ranks = [x.shape.rank for x in inputs]
        if None in ranks:
            return self.merged(list(inputs))
        rank = max(ranks)
        spread = []
        for x in inputs:
            while x.shape.rank < rank:
                x = expand_dims(x, 1)
            spread.append(x)
        return self.merged(spread)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return self._common_shape(input_shape)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where all masks that there are are true."""
        if mask is None:
            return None
        if not isinstance(mask, (list, tuple)) or not isinstance(inputs, (list, tuple)):
            raise ValueError(
                f"`mask` and `inputs` should be lists; got {mask} and {inputs}."
            )
        if len(mask) != len(inputs):
            raise ValueError(
                "The lists `inputs` and `mask` should have the same length; got "
                f"{len(inputs)} and {len(mask)}."
            )
        found = [m for m in mask if m is not None]
        if not found:
            return None
        common = cast(found[0], bool_)
        for each in found[1:]:
            common = logical_and(common, cast(each, bool_))
        return common


def _spread(shape: TensorShape, rank: int) -> list[int | None]:
    """The dimensions of a shape, with ones after the batch for those that are missing."""
    if not len(shape):
        return [1] * rank
    return [shape[0], *([1] * (rank - len(shape))), *shape[1:]]


class _Folded(_Merge):
    """A merge of two tensors at a time."""

    function: Callable[..., Any]

    def merged(self, inputs: list[Any]) -> Any:
        """Returns all inputs merged from the first on."""
        output = inputs[0]
        for x in inputs[1:]:
            output = type(self).function(output, x)
        return output


class Add(_Folded):
    """The sum of the inputs, element by element.

    >>> import graphopt as tf
    >>> tf.keras.layers.Add()([tf.ones([2]), tf.ones([2])]).numpy().tolist()
    [2.0, 2.0]

    Source: `tf.keras.layers.Add`.
    """

    function = staticmethod(elementwise.add)


class Subtract(_Folded):
    """The first input less the second.

    Raises:
      ValueError: There are not two inputs.

    Source: `tf.keras.layers.Subtract`.
    """

    function = staticmethod(elementwise.subtract)

    def build(self, input_shape: Any) -> None:
        """Checks that there are two inputs of shapes that fit."""
        _require_two(self, _shapes_of(input_shape, self))
        super().build(input_shape)


class Multiply(_Folded):
    """The product of the inputs, element by element.

    Source: `tf.keras.layers.Multiply`.
    """

    function = staticmethod(elementwise.multiply)


class Average(_Folded):
    """The mean of the inputs, element by element.

    Source: `tf.keras.layers.Average`.
    """

    function = staticmethod(elementwise.add)

    def merged(self, inputs: list[Any]) -> Any:
        """Returns the mean."""
        return super().merged(inputs) / len(inputs)


class Maximum(_Folded):
    """The largest of the inputs, element by element.

    Source: `tf.keras.layers.Maximum`.
    """

    function = staticmethod(elementwise.maximum)


class Minimum(_Folded):
    """The smallest of the inputs, element by element.

    Source: `tf.keras.layers.Minimum`.
    """

    function = staticmethod(elementwise.minimum)


class Concatenate(_Merge):
    """The inputs one after the other along an axis.

    Args:
      axis: The axis.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: Their shapes differ in another axis.

    Source: `tf.keras.layers.Concatenate`.
    """

    config_names = ("axis",)

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def _common_shape(self, input_shape: Any) -> TensorShape:
        shapes = _shapes_of(input_shape, self)
        ranks = {shape.rank for shape in shapes}
        if None in ranks:
            return TensorShape(None)
        rank = len(shapes[0])
        axis = self.axis % rank if -rank <= self.axis < rank else None
        if len(ranks) > 1 or axis is None:
            raise self._mismatch(shapes)
        dims: list[int | None] = []
        for i, sizes in enumerate(zip(*shapes, strict=True)):
            if i == axis:
                dims.append(None if None in sizes else sum(sizes))
                continue
            known = {size for size in sizes if size is not None}
            if len(known) > 1:
                raise self._mismatch(shapes)
            dims.append(known.pop() if known else None)
        return TensorShape(dims)

    def _mismatch(self, shapes: list[TensorShape]) -> Exception:
        return fail(
            ValueError,
            "A `Concatenate` layer requires inputs with matching shapes except for the "
            "concatenation axis",
            got=f"input_shape={[tuple(shape) for shape in shapes]}, axis={self.axis}",
            site=str(user_site()),
        )

    def call(self, inputs: Any) -> Any:
        """Returns the joined inputs."""
        if not isinstance(inputs, (list, tuple)):
            _shapes_of(inputs.shape, self)
        return concat(list(inputs), self.axis)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the masks one after the other, true where an input has none."""
        if mask is None or all(m is None for m in mask):
            return None
        masks = []
        for x, each in zip(inputs, mask, strict=True):
            if each is None:
                masks.append(ones_like(x, dtype="bool"))
                continue
            while each.shape.rank < x.shape.rank:
                each = expand_dims(each, -1)
            masks.append(logical_and(cast(each, bool_), ones_like(x, dtype="bool")))
        return reduce_all(concat(masks, self.axis), -1)


class Dot(_Merge):
    """The products of two inputs, summed along an axis of each, example by example.

    Args:
      axes: The axis of both, or one for each; the batch is 0.
      normalize: Whether both are divided by their norms along the axes first.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> x, y = tf.ones([3, 2, 4]), tf.ones([3, 5, 4])
    >>> tf.keras.layers.Dot(axes=2)([x, y]).shape
    TensorShape([3, 2, 5])

    Source: `tf.keras.layers.Dot`.
    """

    config_names = ("axes", "normalize")

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axes, int):
            if not isinstance(axes, (list, tuple)):
                raise TypeError(
                    f"Invalid type for argument `axes`: it should be a list or an int; "
                    f"got {axes!r}."
                )
            if len(axes) != 2 or not all(isinstance(axis, int) for axis in axes):
                raise ValueError(f"`axes` should be two integers; got axes={axes!r}.")
        self.axes = axes
        self.normalize = normalize
        self.supports_masking = True

    def _axes_of(self, shapes: list[TensorShape]) -> list[int]:
        axes = [self.axes] * 2 if isinstance(self.axes, int) else list(self.axes)
        return [axis % len(s) for axis, s in zip(axes, shapes, strict=True)]

    def _common_shape(self, input_shape: Any) -> TensorShape:
        shapes = _shapes_of(input_shape, self)
        _require_two(self, shapes)
        if any(shape.rank is None for shape in shapes):
            return TensorShape(None)
        axes = self._axes_of(shapes)
        summed = [shape[axis] for shape, axis in zip(shapes, axes, strict=True)]
        if None not in summed and summed[0] != summed[1]:
            raise fail(
                ValueError,
                "Incompatible input shapes: axis values do not match",
                got=f"axis values {summed[0]} and {summed[1]} in shapes {shapes[0]} "
                f"and {shapes[1]} with axes={self.axes}",
                site=str(user_site()),
            )
        rest = [
            size
            for shape, axis in zip(shapes, axes, strict=True)
            for i, size in enumerate(shape)
            if i not in (0, axis)
        ]
        return TensorShape([shapes[0][0], *(rest or [1])])

    def call(self, inputs: Any) -> Any:
        """Returns `[batch, rest of the first..., rest of the second...]`."""
        if not isinstance(inputs, (list, tuple)):
            _shapes_of(inputs.shape, self)
        x, y = inputs
        axes = self._axes_of([x.shape, y.shape])
        if self.normalize:
            x, y = l2_normalize(x, axes[0]), l2_normalize(y, axes[1])
        letters = "abcdefghijklmnopqrstuvwx"
        of_x = ["z", *letters[: len(x.shape) - 1]]
        of_y = ["z", *letters[len(x.shape) : len(x.shape) + len(y.shape) - 1]]
        of_x[axes[0]] = of_y[axes[1]] = "y"
        rest = [letter for letter in of_x[1:] + of_y[1:] if letter != "y"]
        equation = f"{''.join(of_x)},{''.join(of_y)}->z{''.join(rest)}"
        product = einsum(equation, x, y)
        return product if rest else expand_dims(product, 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns None: products have no mask."""
        return None


def _require_two(layer: Any, shapes: list[TensorShape]) -> None:
    if len(shapes) != 2:
        raise fail(
            ValueError,
            f"A `{type(layer).__name__}` layer should be called on exactly 2 inputs",
            got=f"input_shape={[tuple(shape) for shape in shapes]}",
            site=str(user_site()),
        )


def add(inputs: Any, **kwargs: Any) -> Any:
    """Returns the sum of the inputs; as the layer `Add`.

    Source: `tf.keras.layers.add`.
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Tensor:
    """Returns the first input less the second; as the layer `Subtract`.

    Source: `tf.keras.layers.subtract`.
    """
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Tensor:
    """Returns the product of the inputs; as the layer `Multiply`.

    Source: `tf.keras.layers.multiply`.
    """
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Tensor:
    """Returns the mean of the inputs; as the layer `Average`.

    Source: `tf.keras.layers.average`.
    """
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Tensor:
    """Returns the largest of the inputs; as the layer `Maximum`.

    Source: `tf.keras.layers.maximum`.
    """
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Tensor:
    """Returns the smallest of the inputs; as the layer `Minimum`.

    Source: `tf.keras.layers.minimum`.
    """
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Tensor:
    """Returns the inputs one after the other; as the layer `Concatenate`.

    Source: `tf.keras.layers.concatenate`.
    """
    return Concatenate(axis=axis, **kwargs)(inputs)


def dot(inputs: Any, axes: Any, normalize: bool = False, **kwargs: Any) -> Tensor:
    """Returns the products of two inputs; as the layer `Dot`.

    Source: `tf.keras.layers.dot`.
    """
    return Dot(axes=axes, normalize=normalize, **kwargs)(inputs)
