"""Where elements come from: arrays, ranges, Python generators, random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.blocks import Array, Block, Rows, element
from graphopt.data.context import Context, as_parameter
from graphopt.data.node import INFINITE, Cursor, Node
from graphopt.data.structure import fits, without_dim, without_lists
from graphopt.errors import InvalidArgumentError, OpError, fail
from graphopt.graph import nest
from graphopt.graph.context import entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.ops.creation import as_array
from graphopt.ops.host import raise_as
from graphopt.runtime.function import TensorSpec

# Numbers of a range that are made at once, so that a shuffle sees rows of one array.
_CHUNK = 1 << 14


def as_component(value: Any) -> Any:
    """Converts a leaf of an element: an array of its own, or a symbolic tensor.

    Raises:
      NotImplementedError: It is a sparse or ragged tensor.
    """
    if hasattr(value, "dense_shape") or hasattr(value, "row_splits"):
        raise fail(
            NotImplementedError,
            "Elements of data sets are dense tensors",
            got=repr(value)[:80],
            expected="arrays",
            site=str(user_site()),
            remedy="tf.sparse.to_dense(x), or x.to_tensor()",
        )
    converter = getattr(value, "_as_tensor", None)
    if converter is not None:
        value = converter()
    if isinstance(value, GraphTensor):
        return value
    if isinstance(value, EagerTensor):
        return _own(value.array.copy())
    if isinstance(value, (list, tuple)) and _is_symbolic(value):
        return hooks.convert(value)
    array = as_array(value)
    return _own(array.copy() if np.may_share_memory(array, value) else array)


def _is_symbolic(value: Any) -> bool:
    return any(
        isinstance(item, GraphTensor)
        or (isinstance(item, (list, tuple)) and _is_symbolic(item))
        for item in value
    )


def _own(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(array.shape)


def _spec(leaf: Any) -> TensorSpec:
    return TensorSpec(leaf.shape, leaf.dtype)


class Arrays(Node):
    """The elements are one structure of tensors, or its rows.

    Args:
      structure: What the user gave.
      by_rows: Whether an element is a row.
    """

    def __init__(self, structure: Any, by_rows: bool) -> None:
        leaves = without_lists(structure, as_component)
        self.leaves = nest.flatten(leaves)
        self.by_rows = by_rows
        specs = nest.map_structure(_spec, leaves)
        if by_rows:
            specs = nest.map_structure(
                lambda s: TensorSpec(without_dim(s.shape), s.dtype), specs
            )
            self.rows = _common_rows([leaf.shape for leaf in self.leaves])
        super().__init__(specs, parameters=self.leaves)

    def cursor(self, context: Context) -> Cursor:
        """Goes through the rows."""
        arrays = [np.asarray(context.value(leaf)) for leaf in self.leaves]
        if not self.by_rows:
            return RowsCursor([a[None] for a in arrays], 1)
        return RowsCursor(arrays, _common_rows([a.shape for a in arrays]) or 0)

    def size(self) -> int:
        """The number of rows."""
        if not self.by_rows:
            return 1
        return -2 if self.rows is None else self.rows


def _common_rows(shapes: Sequence[Any]) -> int | None:
    """Returns the number of rows of several arrays, None if it is not known.

    Raises:
      ValueError: They differ, or there are no arrays.
    """
    known = {
        shape[0]
        for shape in shapes
        if getattr(shape, "rank", 0) is not None and shape[0] is not None
    }
    if len(known) > 1 or not shapes:
        words = " and ".join(map(str, sorted(known)))
        raise fail(
            ValueError,
            f"Dimensions {words} are not compatible: from_tensor_slices needs tensors "
            "with one number of rows",
            got=", ".join(str(list(s)) for s in shapes) or "nothing",
            expected="one size of the first dimension",
            site=str(user_site()),
        )
    return next(iter(known), None)


class RowsCursor(Cursor):
    """Goes through the rows of arrays without copying them."""

    def __init__(self, arrays: Sequence[Array], rows: int) -> None:
        super().__init__()
        self.arrays, self.rows, self.next = arrays, rows, 0

    def pull(self, count: int) -> Block | None:
        """The next rows."""
        start = self.next
        stop = self.next = min(start + count, self.rows)
        if start == stop:
            return None
        which = slice(start, stop)
        return Block(stop - start, [Rows(a, which) for a in self.arrays])


class Range(Node):
    """Numbers from one on, with a step."""

    def __init__(self, args: Sequence[Any], output_type: Any = dtypes.int64) -> None:
        given = [as_parameter(a) for a in args]
        if not 1 <= len(given) <= 3:
            raise fail(
                ValueError,
                "Dataset.range takes one to three numbers",
                got=f"{len(given)}",
                site=str(user_site()),
            )
        self.start, self.stop, self.step = (
            (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
        )
        self.dtype = dtypes.as_dtype(output_type)
        if self.step == 0:
            raise fail(
                InvalidArgumentError,
                "step must be a non-zero integer",
                got="0",
                site=str(user_site()),
            )
        super().__init__(TensorSpec((), self.dtype), parameters=given)

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        numbers = map(context.count, (self.start, self.stop, self.step))
        return _RangeCursor(range(*numbers), self.dtype.numpy)

    def size(self) -> int:
        """The number of numbers."""
        if any(isinstance(p, GraphTensor) for p in self.parameters):
            return -2
        return len(range(int(self.start), int(self.stop), int(self.step)))


class _RangeCursor(Cursor):
    def __init__(self, numbers: range, dtype: Any) -> None:
        super().__init__()
        self.numbers, self.dtype, self.next = numbers, dtype, 0
        self.chunk: RowsCursor | None = None

    def pull(self, count: int) -> Block | None:
        found = self.chunk.pull(count) if self.chunk is not None else None
        if found is None and self.next < len(self.numbers):
            part = self.numbers[self.next : self.next + _CHUNK]
            self.next += len(part)
            array = np.arange(part.start, part.stop, part.step).astype(self.dtype)
            self.chunk = RowsCursor([array], len(part))
            found = self.chunk.pull(count)
        return found


class Counter(Node):
    """Numbers without an end."""

    def __init__(self, start: Any, step: Any, dtype: Any) -> None:
        self.start, self.step = as_parameter(start), as_parameter(step)
        self.dtype = dtypes.as_dtype(dtype)
        super().__init__(TensorSpec((), self.dtype), parameters=(self.start, self.step))

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        return _CounterCursor(
            context.value(self.start), context.value(self.step), self.dtype.numpy
        )

    def size(self) -> int:
        """Infinite."""
        return INFINITE


class _CounterCursor(Cursor):
    def __init__(self, start: Any, step: Any, dtype: Any) -> None:
        super().__init__()
        self.start, self.step, self.dtype, self.next = start, step, dtype, 0

    def pull(self, count: int) -> Block | None:
        numbers = np.arange(self.next, self.next + count)
        self.next += count
        return Block(count, [(numbers * self.step + self.start).astype(self.dtype)])


class RandomNumbers(Node):
    """Random integers without an end, each of 32 bits without a sign, as int64."""

    def __init__(self, stream: Any, again: bool) -> None:
        super().__init__(TensorSpec((), dtypes.int64))
        self.stream, self.again = stream, again

    def cursor(self, context: Context) -> Cursor:
        """Draws."""
        return _RandomCursor(context.next_generator(self.stream, self.again))

    def size(self) -> int:
        """Infinite."""
        return INFINITE


class _RandomCursor(Cursor):
    def __init__(self, generator: np.random.Generator) -> None:
        super().__init__()
        self.generator = generator

    def pull(self, count: int) -> Block | None:
        # One at a time: what is drawn does not depend on how many are wanted.
        drawn = [self.generator.integers(1 << 32) for _ in range(count)]
        return Block(count, [np.array(drawn, np.int64)])


class Generated(Node):
    """What a Python generator yields.

    Args:
      generator: Takes the arguments as arrays, returns an iterable.
      specs: The structure of what it yields.
      args: Tensors.
    """

    watched = True

    def __init__(
        self, generator: Callable[..., Any], specs: Any, args: Sequence[Any]
    ) -> None:
        self.generator = generator
        self.args = [as_component(a) for a in args]
        self.site = user_site()
        super().__init__(specs, parameters=self.args)

    def cursor(self, context: Context) -> Cursor:
        """Calls the generator."""
        return _GeneratedCursor(self, [context.value(a) for a in self.args])


class _GeneratedCursor(Cursor):
    def __init__(self, node: Generated, args: Sequence[Any]) -> None:
        super().__init__()
        self.node, self.args = node, args
        self.iterator: Iterator[Any] | None = None
        self.specs = nest.flatten(node.element_spec)

    def pull(self, count: int) -> Block | None:
        try:
            with entered(None):
                if self.iterator is None:
                    self.iterator = iter(self.node.generator(*self.args))
                value = next(self.iterator)
        except StopIteration:
            return None
        except OpError:
            raise
        except Exception as error:
            raise fail(
                raise_as(error),
                f"{type(error).__name__}: {error}",
                got="an exception of the generator",
                site=str(self.node.site),
            ) from error
        return element(self._convert(value))

    def _convert(self, value: Any) -> list[Any]:
        """Converts what was yielded to what was promised."""
        specs = self.node.element_spec
        parts = _match(specs, value)
        if parts is None:
            raise self._refuse(
                "`generator` yielded an element that did not match the expected "
                f"structure. The expected structure was {_outline(specs)}, but the "
                f"yielded element was {value!r:.200}",
                TypeError,
            )
        return [self._leaf(s, v) for s, v in zip(self.specs, parts, strict=True)]

    def _leaf(self, spec: Any, value: Any) -> Any:
        try:
            if isinstance(value, Tensor):
                value = np.asarray(value)
            array = np.asarray(value)
            if array.dtype != spec.dtype.numpy:
                array = as_array(value, spec.dtype)
        except (TypeError, ValueError) as error:
            raise self._refuse(
                f"`generator` yielded an element that could not be converted to the "
                f"expected type. The expected type was {spec.dtype.name}, but the "
                f"yielded element was {value!r:.200}",
                TypeError,
            ) from error
        if not fits(array, spec):
            raise self._refuse(
                f"`generator` yielded an element of shape {array.shape} where an "
                f"element of shape {_shape_text(spec.shape)} was expected",
                TypeError,
            )
        return np.array(array, order="C")

    def _refuse(self, what: str, kind: type[Exception]) -> InvalidArgumentError:
        return fail(
            InvalidArgumentError,
            f"{kind.__name__}: {what}",
            site=str(self.node.site),
        )


def _shape_text(shape: Any) -> str:
    if shape.rank is None:
        return "<unknown>"
    dims = ", ".join("None" if d is None else str(d) for d in shape)
    return f"({dims},)" if shape.rank == 1 else f"({dims})"


def _outline(specs: Any) -> str:
    return repr(nest.map_structure(lambda s: s.dtype, specs))


def _match(specs: Any, value: Any) -> list[Any] | None:
    """Returns the leaves of a value in the order of a structure, None if it has none."""
    if isinstance(specs, dict):
        if not isinstance(value, dict) or set(value) != set(specs):
            return None
        pairs = [(specs[key], value[key]) for key in sorted(specs)]
    elif isinstance(specs, tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(specs):
            return None
        pairs = list(zip(specs, value, strict=True))
    else:
        return [value]
    found: list[Any] = []
    for spec, part in pairs:
        leaves = _match(spec, part)
        if leaves is None:
            return None
        found += leaves
    return found


class Blocks(Node):
    """Elements that are there already, as those of a window."""

    def __init__(self, specs: Any, blocks: Sequence[Block]) -> None:
        super().__init__(specs)
        self.blocks = list(blocks)

    def cursor(self, context: Context) -> Cursor:
        """Gives them."""
        return BlocksCursor(self.blocks)

    def size(self) -> int:
        """How many there are."""
        return sum(block.count for block in self.blocks)


class BlocksCursor(Cursor):
    """Gives the elements of blocks."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        super().__init__()
        self.blocks, self.which, self.next = blocks, 0, 0

    def pull(self, count: int) -> Block | None:
        """The next elements of a block."""
        while self.which < len(self.blocks):
            block = self.blocks[self.which]
            if self.next < block.count:
                start = self.next
                self.next = min(start + count, block.count)
                return block.part(slice(start, self.next))
            self.which, self.next = self.which + 1, 0
        return None
