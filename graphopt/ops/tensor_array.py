"""`tf.TensorArray`: tensors by number, written and read in loops.

In a graph the array is one tensor, `[size, ...]`, and a write is an op that returns another
one. In eager mode it is a list, and a write changes it, as in TensorFlow.
"""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import as_dtype, int32
from graphopt.errors import DtypeMismatchError, InvalidArgumentError, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, shape, zeros
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import element_error, gather
from graphopt.ops.scatter import tensor_scatter_nd_update
from graphopt.ops.shaping import concat, expand_dims, identity, reshape, stack
from graphopt.ops.splitting import split, unstack
from graphopt.ops.state import no_op
from graphopt.ops.tensor_lists import FROM_TENSOR, GET_ITEM, GROW_AND_SET, SET_ITEM


class _About:
    """What all states of one array have in common.

    Attributes:
      dtype: The element type.
      shape: What is known of the shape of an element.
      infer_shape: Whether all elements must have one shape.
      is_dynamic: Whether writing behind the end makes the array longer.
      clears: Whether an element can be read once only, in eager mode.
      sample: Of an array without memory, a tensor that was written to it.
    """

    def __init__(self, dtype: Any, element_shape: Any, infer_shape: bool) -> None:
        self.dtype = as_dtype(dtype)
        self.shape = TensorShape(element_shape)
        self.infer_shape = infer_shape
        self.is_dynamic = False
        self.clears = True
        self.sample: Any = None

    def learn(self, found: TensorShape) -> None:
        """Is told the shape of an element."""
        if not self.shape.is_compatible_with(found):
            raise fail(
                InvalidArgumentError if building_graph() is None else ValueError,
                f"Inconsistent shapes: saw {found} but expected {self.shape}",
                got=f"an element of shape {found}",
                expected=f"shape {self.shape}",
                site=str(user_site()),
                remedy="elements of one shape",
            )
        if self.infer_shape:
            self.shape = self.shape.merge_with(found)


class TensorArray:
    """An array of tensors that can be written and read by number, in loops too.

    A write returns the array that has the element; in a graph the old one stays as it was.

    Args:
      dtype: The element type.
      size: The number of elements, an integer or a scalar tensor.
      dynamic_size: Whether writing behind the end makes the array longer. In a graph such
        an array runs on the host.
      clear_after_read: Whether an element can be read once only; True by default. In a
        graph it can be read again.
      tensor_array_name: Accepted for compatibility.
      handle: Accepted for compatibility; must be None.
      flow: The tensor of an array that exists.
      infer_shape: Whether elements must have one shape; in a graph they always must.
      element_shape: The shape of an element, if it is known.
      colocate_with_first_write_call: Accepted for compatibility.
      name: Name of the op.

    >>> import graphopt as tf
    >>> array = tf.TensorArray(tf.float32, size=2)
    >>> array = array.write(0, [1.0, 2.0]).write(1, [3.0, 4.0])
    >>> array.stack().numpy().tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: `tf.TensorArray`.
    """

    def __init__(
        self,
        dtype: Any,
        size: Any = None,
        dynamic_size: bool | None = None,
        clear_after_read: bool | None = None,
        tensor_array_name: str | None = None,
        handle: Any = None,
        flow: Any = None,
        infer_shape: bool = True,
        element_shape: Any = None,
        colocate_with_first_write_call: bool = True,
        name: str | None = None,
    ) -> None:
        if handle is not None:
            raise NotImplementedError(
                "tf.TensorArray with a handle; give the flow of the other array."
            )
        if size is None and flow is None:
            raise ValueError("Size must be provided if flow is not provided")
        about = _About(dtype, element_shape, infer_shape)
        about.is_dynamic = bool(dynamic_size)
        about.clears = clear_after_read is None or bool(clear_after_read)
        self._about = about
        self._name = name or "TensorArray"
        self._size: Any = 0 if size is None else _number(size)
        # In a graph: the elements, None as long as their shape is not known.
        self._buffer: Any = None
        # In eager mode; None for one that was not written, False for one that was read.
        self._rows: list[Any] | None = None
        if flow is not None:
            self._buffer = hooks.convert(flow)
            self._size = self._buffer.shape[0]
        elif building_graph() is None:
            self._rows = [None] * int(self._size)

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._about.dtype

    @property
    def element_shape(self) -> TensorShape:
        """What is known of the shape of an element."""
        return self._about.shape

    @property
    def dynamic_size(self) -> bool:
        """Whether writing behind the end makes the array longer."""
        return self._about.is_dynamic

    @property
    def flow(self) -> Any:
        """All elements, as one tensor."""
        return self.stack()

    @property
    def handle(self) -> None:
        """None: an array has no resource behind it."""
        return None

    def size(self, name: str | None = None) -> Any:
        """Returns the number of elements, a scalar int32."""
        if self._rows is not None:
            return hooks.convert(len(self._rows))
        if self._buffer is None:
            return hooks.convert(self._size)
        known = self._buffer.shape[0]
        return hooks.convert(known) if known is not None else shape(self._buffer)[0]

    def write(self, index: Any, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array with another element at a number.

        Args:
          index: Scalar integer.
          value: The element.
          name: Name of the op.

        Raises:
          OutOfRangeError: There is no such element, and the size is fixed.
          ValueError: The shape is not that of other elements.
        """
        value = self._as_element(value)
        self._about.learn(value.shape)
        if self._rows is not None:
            return self._write_eagerly(index, value)
        if self._buffer is None and self._about.sample is _LOOKED_FOR:
            self._about.sample = value
        if self._is_pending:
            return self
        buffer = self._memory(value)
        spec = GROW_AND_SET if self.dynamic_size else SET_ITEM
        return self._with(call(spec, buffer, index, value, name=name))

    def _write_eagerly(self, index: Any, value: Any) -> TensorArray:
        rows, at = self._own_rows(), int(index)
        if at >= len(rows) and self.dynamic_size:
            rows.extend([None] * (at + 1 - len(rows)))
        if not 0 <= at < len(rows):
            raise element_error("write to", at, len(rows))
        rows[at] = value
        return self

    def read(self, index: Any, name: str | None = None) -> Any:
        """Returns an element.

        Raises:
          OutOfRangeError: There is no such element.
          InvalidArgumentError: It was read before, or never written, in eager mode.
        """
        if self._rows is None:
            if self._is_pending or self._buffer is None:
                return self._zero_element()
            return call(GET_ITEM, self._buffer, index, name=name)
        rows, at = self._own_rows(), int(index)
        if not 0 <= at < len(rows):
            raise element_error("read from", at, len(rows))
        value = rows[at]
        if value is False:
            raise fail(
                InvalidArgumentError,
                f"Could not read index {at} twice because it was cleared after a "
                "previous read",
                got="a second read",
                site=str(user_site()),
                remedy="clear_after_read=False",
            )
        if value is None:
            value = self._zero_element()
        if self._about.clears:
            rows[at] = False
        return value

    def gather(self, indices: Any, name: str | None = None) -> Any:
        """Returns several elements in one tensor, `[len(indices), ...]`."""
        if self._rows is None:
            return gather(self._all(), indices, axis=0, name=name)
        chosen = hooks.convert(indices).numpy().ravel()
        return stack([self.read(int(i)) for i in chosen])

    def stack(self, name: str | None = None) -> Any:
        """Returns all elements in one tensor, `[size, ...]`."""
        if self._rows is None:
            return identity(self._all(), name=name)
        rows = [self._zero_element() if r is None else r for r in self._rows]
        if any(row is False for row in rows):
            at = next(i for i, row in enumerate(rows) if row is False)
            return self.read(at)
        if not rows:
            dims = [0 if d is None else d for d in self._about.shape]
            return zeros([0, *dims], self.dtype)
        return stack(rows, name=name)

    def concat(self, name: str | None = None) -> Any:
        """Returns all elements one after the other, joined along their first axis."""
        if self._rows is not None:
            rows = [self._zero_element() if r is None else r for r in self._rows]
            return concat(rows, 0, name=name)
        every = self._all()
        dims = every.shape
        first = -1 if None in dims[:2] else dims[0] * dims[1]
        rest = [
            d if d is not None else shape(every)[i + 2] for i, d in enumerate(dims[2:])
        ]
        return reshape(every, [first, *rest], name=name)

    def unstack(self, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array whose elements are the parts of a tensor, `[size, ...]`.

        Raises:
          ValueError: The number of elements is another one, and the size is fixed.
        """
        value = self._as_element(value)
        if value.shape.rank is not None:
            self._about.learn(value.shape[1:])
        if self._rows is not None:
            rows, parts = self._own_rows(), unstack(value)
            if not self.dynamic_size:
                self._check_size(len(parts), len(rows))
            rows[:] = parts
            return self
        have = None if value.shape.rank is None else value.shape[0]
        if isinstance(self._size, int) and have is not None and not self.dynamic_size:
            self._check_size(have, self._size)
        return self._with(call(FROM_TENSOR, value, name=name))

    def scatter(self, indices: Any, value: Any, name: str | None = None) -> TensorArray:
        """Returns the array with the parts of a tensor written at several numbers."""
        value = self._as_element(value)
        self._about.learn(value.shape[1:])
        if self._rows is None:
            if self.dynamic_size:
                raise NotImplementedError(
                    "TensorArray.scatter of dynamic_size=True in a graph; give the size."
                )
            if self._is_pending:
                return self
            buffer = self._memory(value[0])
            at = expand_dims(hooks.convert(indices), -1)
            return self._with(tensor_scatter_nd_update(buffer, at, value, name))
        array = self
        chosen = hooks.convert(indices).numpy().ravel()
        for i, row in zip(chosen, unstack(value), strict=True):
            array = array.write(int(i), row)
        return array

    def split(self, value: Any, lengths: Any, name: str | None = None) -> TensorArray:
        """Returns the array whose elements are pieces of a tensor, of given lengths.

        Raises:
          NotImplementedError: The lengths differ, in a graph.
        """
        value = self._as_element(value)
        known = constant_value(hooks.convert(lengths))
        if self._rows is not None:
            assert known is not None
            pieces = split(value, [int(n) for n in known])
            rows = self._own_rows()
            if not self.dynamic_size:
                self._check_size(len(pieces), len(rows))
            rows[:] = pieces
            return self
        if known is None or len(set(known.tolist())) != 1:
            raise NotImplementedError(
                "TensorArray.split into pieces of different lengths in a graph; use "
                "tf.split."
            )
        dims = [d if d is not None else -1 for d in value.shape[1:]]
        return self.unstack(reshape(value, [len(known), int(known[0]), *dims]), name)

    def identity(self) -> TensorArray:
        """Returns the array itself, after what a control dependency asks for."""
        if self._buffer is None:
            return self
        return self._with(identity(self._buffer))

    def close(self, name: str | None = None) -> Any:
        """Does nothing: memory is freed when it is not needed any more."""
        return no_op(name) if building_graph() is not None else None

    def grad(self, source: str, flow: Any = None, name: str | None = None) -> Any:
        """Is not there: derivatives go through `tf.gradients`.

        Raises:
          NotImplementedError: Always.
        """
        raise NotImplementedError("TensorArray.grad; use tf.gradients.")

    # ---- parts, for what has loop variables

    def _parts(self) -> list[Any]:
        """The tensors that stand for it in the graph; none as long as it has no memory."""
        return [] if self._buffer is None else [self._buffer]

    def _with_parts(self, parts: list[Any]) -> TensorArray:
        return self._with(parts[0]) if parts else self

    @property
    def _is_pending(self) -> bool:
        """Whether a loop is still finding out what will be written."""
        return self._buffer is None and self._about.sample is not None

    def _begin_looking(self) -> Any:
        """Writes tell the shape of an element from now on, and do nothing else.

        Returns:
          What a loop around knows.
        """
        before, self._about.sample = self._about.sample, _LOOKED_FOR
        return before

    def _look_further(self, before: Any, found: Any) -> None:
        """Goes back to what a loop around knows, and tells it what was written."""
        looks = before is _LOOKED_FOR and found is not None
        self._about.sample = found if looks else before

    def _stop_looking(self) -> Any:
        """Returns a tensor that was written, or None."""
        found, self._about.sample = self._about.sample, None
        return None if found is _LOOKED_FOR else found

    def _with_memory(self, like: Any) -> TensorArray:
        """Returns the array with all its elements zero, like a tensor."""
        return self._with(self._memory(like))

    # ---- inside

    def _with(self, buffer: Any) -> TensorArray:
        made = TensorArray.__new__(TensorArray)
        made._about, made._name = self._about, self._name
        made._size, made._rows, made._buffer = self._size, None, buffer
        return made

    def _memory(self, like: Any) -> Any:
        if self._buffer is not None:
            return self._buffer
        known = self._about.shape
        if like is not None and not self._about.infer_shape:
            known = like.shape
        if like is None or known.is_fully_defined():
            if not known.is_fully_defined():
                self._require_shape("make")
            dims: list[Any] = list(known)
        else:
            if like.shape.unknown_rank:
                size = cast(self._size, int32)
                every = concat([reshape(size, [1]), shape(like)], 0)
                return zeros(every, self.dtype, name=self._name)
            dims = [
                d if d is not None else shape(like)[i] for i, d in enumerate(like.shape)
            ]
        return zeros([self._size, *dims], self.dtype, name=self._name)

    def _all(self) -> Any:
        if self._buffer is None and self._about.shape.is_fully_defined():
            return zeros([self._size, *self._about.shape], self.dtype)
        if self._buffer is None:
            self._require_shape("stack")
        return self._buffer

    def _zero_element(self) -> Any:
        self._require_shape("read")
        return zeros(list(self._about.shape), self.dtype)

    def _require_shape(self, what: str) -> None:
        if not self._about.shape.is_fully_defined():
            raise fail(
                InvalidArgumentError,
                f"Could not {what} elements of a TensorArray that were not written, for "
                "their shape is not known",
                got=f"element_shape {self._about.shape}",
                site=str(user_site()),
                remedy="element_shape=... where the array is made",
            )

    def _own_rows(self) -> list[Any]:
        assert self._rows is not None
        return self._rows

    def _as_element(self, value: Any) -> Any:
        tensor = hooks.convert(value, dtype_hint=self.dtype)
        if tensor.dtype is not self.dtype:
            raise fail(
                DtypeMismatchError,
                f"TensorArray dtype is {self.dtype.name} but an element has dtype "
                f"{tensor.dtype.name}",
                got=tensor.dtype.name,
                expected=self.dtype.name,
                site=str(user_site()),
                remedy="tf.cast",
            )
        return tensor

    def _check_size(self, have: int, want: int) -> None:
        if have != want:
            raise fail(
                ValueError,
                f"Cannot unstack {have} elements into a TensorArray of size {want}",
                got=f"{have} elements",
                expected=str(want),
                site=str(user_site()),
                remedy="dynamic_size=True, or the size",
            )

    def __repr__(self) -> str:
        return (
            f"<tf.TensorArray dtype={self.dtype.name} "
            f"element_shape={self._about.shape}>"
        )


_LOOKED_FOR = object()


def _number(size: Any) -> Any:
    """Returns a size as an integer, if it is one, else as a scalar tensor."""
    known = constant_value(size) if isinstance(size, Tensor) else size
    if known is None:
        return size
    return int(getattr(known, "numpy", lambda: known)())
