"""`Tensor`: symbolic (an output of an op in a graph) and eager (an array with a value).

The operators are declared once, in `Operators`, for tensors and variables alike. They
call through `hooks`, because the ops they stand for live in a folder further right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType, as_dtype, from_numpy
from graphopt.errors import OperatorNotAllowedInGraphError, fail, format_shape
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape, shape_for_user

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph, Operation

_operators: dict[str, Callable[..., Tensor]] = hooks.operators


class Operators:
    """Python's operators, on whatever becomes a tensor."""

    __slots__ = ()
    __array_priority__ = 100

    def __add__(self, other: Any) -> Tensor:
        return _operators["add"](self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _operators["add"](other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _operators["sub"](self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _operators["sub"](other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _operators["mul"](self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _operators["mul"](other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _operators["truediv"](self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _operators["truediv"](other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return _operators["floordiv"](self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return _operators["floordiv"](other, self)

    def __mod__(self, other: Any) -> Tensor:
        return _operators["mod"](self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return _operators["mod"](other, self)

    def __pow__(self, other: Any) -> Tensor:
        return _operators["pow"](self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return _operators["pow"](other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return _operators["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _operators["matmul"](other, self)

    def __neg__(self) -> Tensor:
        return _operators["neg"](self)

    def __abs__(self) -> Tensor:
        return _operators["abs"](self)

    def __invert__(self) -> Tensor:
        return _operators["logical_not"](self)

    def __and__(self, other: Any) -> Tensor:
        return _operators["logical_and"](self, other)

    def __rand__(self, other: Any) -> Tensor:
        return _operators["logical_and"](other, self)

    def __or__(self, other: Any) -> Tensor:
        return _operators["logical_or"](self, other)

    def __ror__(self, other: Any) -> Tensor:
        return _operators["logical_or"](other, self)

    def __lt__(self, other: Any) -> Tensor:
        return _operators["less"](self, other)

    def __le__(self, other: Any) -> Tensor:
        return _operators["less_equal"](self, other)

    def __gt__(self, other: Any) -> Tensor:
        return _operators["greater"](self, other)

    def __ge__(self, other: Any) -> Tensor:
        return _operators["greater_equal"](self, other)

    def __getitem__(self, key: Any) -> Tensor:
        return _operators["getitem"](self, key)


class Tensor(Operators):
    """A tensor: `GraphTensor` has a place in a graph, `EagerTensor` has a value.

    Source: `tf.Tensor`.
    """

    __slots__ = ()

    dtype: DType
    shape: TensorShape

    if TYPE_CHECKING:
        # What only one of the two kinds has, for which type checkers cannot tell which
        # an op returns; on the other, these raise what TensorFlow's raise.
        op: Operation
        _keras_mask: Any

        @property
        def name(self) -> str:
            """`op_name:index`, of a tensor in a graph."""

        @property
        def graph(self) -> Graph:
            """The graph that the tensor belongs to."""

        @property
        def device(self) -> str:
            """The device string."""

        def numpy(self) -> Any:
            """Returns the value of an eager tensor, as NumPy's array or scalar."""

        def eval(
            self, feed_dict: dict[Any, Any] | None = None, session: Any = None
        ) -> NDArray[Any]:
            """Runs what is needed for a tensor of a graph and returns its value."""

        def consumers(self) -> list[Operation]:
            """Returns the operations that take a tensor of a graph as input."""

        def set_shape(self, shape: Any) -> None:
            """Adds what the caller knows about the shape."""

        def __iter__(self) -> Iterator[Tensor]: ...
        def __len__(self) -> int: ...
        def __bool__(self) -> bool: ...
        def __int__(self) -> int: ...
        def __float__(self) -> float: ...
        def __index__(self) -> int: ...
        def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]: ...

    def get_shape(self) -> TensorShape:
        """Returns the static shape."""
        return shape_for_user(self.shape)

    @property
    def ndim(self) -> int | None:
        """The number of dimensions."""
        return self.shape.rank

    def ref(self) -> Reference:
        """Returns a hashable handle for dictionaries and sets."""
        return Reference(self)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            "Tensors are immutable and do not support item assignment; use "
            "tf.where, or a tf.Variable."
        )

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} cannot be pickled; pickle its value (.numpy())."
        )

    def __array_ufunc__(
        self, function: Any, method: str, *inputs: Any, **keywords: Any
    ) -> Any:
        """NumPy functions on a tensor become the op of the same meaning."""
        name = _UFUNCS.get(function.__name__)
        if method == "__call__" and not keywords and name is not None:
            return _operators[name](*inputs)
        if all(not isinstance(x, GraphTensor) for x in inputs):
            arrays = [np.asarray(x) if isinstance(x, Tensor) else x for x in inputs]
            return getattr(function, method)(*arrays, **keywords)
        raise NotImplementedError(
            f"np.{function.__name__} on a symbolic tensor; use the tf function instead."
        )


_UFUNCS = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "truediv",
    "true_divide": "truediv",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "power": "pow",
    "matmul": "matmul",
    "negative": "neg",
    "absolute": "abs",
    "logical_not": "logical_not",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "less": "less",
    "less_equal": "less_equal",
    "greater": "greater",
    "greater_equal": "greater_equal",
    "equal": "equal",
    "not_equal": "not_equal",
}


class Reference:
    """A hashable handle of a tensor or variable.

    Source: `tf.Tensor.ref`.
    """

    __slots__ = ("_referent",)

    def __init__(self, referent: Any) -> None:
        self._referent = referent

    def deref(self) -> Any:
        """Returns the tensor or variable."""
        return self._referent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and self._referent is other._referent

    def __hash__(self) -> int:
        return id(self._referent)


class GraphTensor(Tensor):
    """An output of an operation: it has a name, a dtype and what is known of its shape.

    Compared by identity, so that it can be a key of a `feed_dict`; in a `tf.function`
    element by element.
    """

    __slots__ = ("__weakref__", "_keras_mask", "dtype", "index", "op", "shape")

    def __init__(
        self, op: Operation, index: int, dtype: DType, shape: TensorShape
    ) -> None:
        self.op = op
        self.index = index
        self.dtype = dtype
        self.shape = shape

    @property
    def name(self) -> str:
        """`op_name:index`."""
        return f"{self.op.name}:{self.index}"

    @property
    def value_index(self) -> int:
        """The index among the outputs of the op."""
        return self.index

    @property
    def graph(self) -> Graph:
        """The graph that the tensor belongs to."""
        return self.op.graph

    @property
    def device(self) -> str:
        """The device string that was asked for."""
        return self.op.device

    def consumers(self) -> list[Operation]:
        """Returns the operations that take this tensor as input."""
        return [op for op in self.graph.get_operations() if self in op.inputs]

    def set_shape(self, shape: Any) -> None:
        """Adds what the caller knows about the shape.

        Raises:
          ValueError: It contradicts what is known.
        """
        self.shape = self.shape.merge_with(shape)

    def eval(
        self, feed_dict: dict[Any, Any] | None = None, session: Any = None
    ) -> NDArray[Any]:
        """Runs what is needed for this tensor and returns its value.

        Args:
          feed_dict: Values for placeholders or other tensors.
          session: The session to run in; by default the default session.

        Source: `tf.Tensor.eval`.
        """
        value: NDArray[Any] = hooks.evaluate_tensor(self, feed_dict, session)
        return value

    # The slot of `object`, which calls no Python: passes hash tensors by the million.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        # In a `tf.function` as in eager mode; in a graph tensors are keys.
        if self is not other and self.op.graph.building_function and other is not None:
            return _operators["equal"](self, other)
        return self is other

    def __ne__(self, other: object) -> Any:
        if self is not other and self.op.graph.building_function and other is not None:
            return _operators["not_equal"](self, other)
        return self is not other

    def _no_value(self, what: str) -> str:
        advice = hooks.autograph_advice()
        return str(
            fail(
                TypeError,
                f"Using a symbolic `tf.Tensor` as a Python {what} is not allowed: "
                f"{self.name!r} gets its value when the graph runs"
                + (f". {advice}" if advice else ""),
                got="a symbolic tensor",
                expected="a value",
                op=self.op,
                remedy="tf.where or tf.cond, or running it in a session first",
            )
        )

    def __bool__(self) -> NoReturn:
        raise OperatorNotAllowedInGraphError(self._no_value("`bool`"))

    def __iter__(self) -> NoReturn:
        raise OperatorNotAllowedInGraphError(self._no_value("iterable"))

    def __len__(self) -> NoReturn:
        raise TypeError(self._no_value("sequence (len)"))

    def __float__(self) -> NoReturn:
        raise TypeError(self._no_value("`float`"))

    def __int__(self) -> NoReturn:
        raise TypeError(self._no_value("`int`"))

    __index__ = __int__

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise NotImplementedError(self._no_value("array"))

    def __repr__(self) -> str:
        return f"<tf.Tensor '{self.name}' shape={self.shape} dtype={self.dtype.name}>"


class StandIn(Tensor):
    """Stands for a tensor that is to come, outside of every graph.

    Ops on it, in eager mode, are written down by `hooks.call_on_stand_ins` instead of
    computed: this is how functions take part in a model that is still being described.

    Attributes:
      symbol: A tensor of a graph that tells what is known of its shape and its elements.
    """

    __slots__ = ("symbol",)

    symbol: GraphTensor


def is_symbolic(value: Any) -> bool:
    """Returns whether something is a tensor without a value yet."""
    return isinstance(value, (GraphTensor, StandIn))


class EagerTensor(Tensor):
    """A tensor that has its value: an immutable NumPy array.

    >>> import graphopt as tf
    >>> x = tf.constant([1.0, 2.0])
    >>> x + 1
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([2., 3.], dtype=float32)>
    >>> np.maximum(x, 1.5).dtype
    dtype('float32')
    """

    __slots__ = ("__weakref__", "_keras_logits", "_keras_mask", "array", "dtype")

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array
        self.dtype = from_numpy(array.dtype) or as_dtype(array.dtype)

    @property
    def shape(self) -> TensorShape:  # type: ignore[override]
        """The shape, always fully known."""
        return TensorShape(self.array.shape)

    @property
    def device(self) -> str:
        """Always the CPU."""
        return "/job:localhost/replica:0/task:0/device:CPU:0"

    def numpy(self) -> Any:
        """Returns the value: a NumPy scalar, or an array that cannot be written to."""
        view = self.array.view()
        view.flags.writeable = False
        return view if view.ndim else view[()]

    def __array__(self, dtype: Any = None, copy: Any = None) -> NDArray[Any]:
        array = self.array
        if dtype is not None and np.dtype(dtype) != array.dtype:
            return array.astype(dtype)
        if copy:
            return array.copy()
        view = array.view()
        view.flags.writeable = False
        return view

    def __copy__(self) -> EagerTensor:
        return EagerTensor(self.array)

    def __deepcopy__(self, memo: dict[int, Any]) -> EagerTensor:
        # Nobody writes to the array.
        return EagerTensor(self.array)

    def __reduce__(self) -> Any:
        # The array alone: what a pickle of NumPy holds.
        return EagerTensor, (self.array,)

    def __dlpack__(self, **keywords: Any) -> Any:
        if keywords.get("copy") is None:
            keywords["copy"] = True
        return self.array.__dlpack__(**keywords)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __eq__(self, other: object) -> Any:
        return _operators["equal"](self, other)

    def __ne__(self, other: object) -> Any:
        return _operators["not_equal"](self, other)

    def __hash__(self) -> int:
        raise TypeError("Tensor is unhashable. Instead, use tensor.ref() as the key.")

    def __bool__(self) -> bool:
        return bool(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __index__(self) -> int:
        return self.array.__index__()

    def __len__(self) -> int:
        if not self.array.ndim:
            raise TypeError("Scalar tensor has no `len()`.")
        return len(self.array)

    def __iter__(self) -> Any:
        if not self.array.ndim:
            raise TypeError("Cannot iterate over a scalar tensor.")
        return (self[i] for i in range(len(self.array)))

    def __format__(self, spec: str) -> str:
        return format(self.array[()], spec)

    def __repr__(self) -> str:
        return (
            f"<tf.Tensor: shape={self.shape}, dtype={self.dtype.name}, "
            f"numpy={self.array[()]!r}>"
        )

    def __str__(self) -> str:
        return f"tf.Tensor({self.array}, shape={self.shape}, dtype={self.dtype.name})"


def require_graph(tensor: GraphTensor, graph: Graph) -> None:
    """Checks that a tensor belongs to the graph it is used in.

    Raises:
      ValueError: It belongs to another one; the message names both.
    """
    if tensor.op.graph is not graph:
        # The graph of a branch or a round knows the one around it.
        is_inside = hasattr(tensor.op.graph, "outer")
        remedy = "building both in one `with graph.as_default()` block"
        if is_inside:
            remedy = (
                "a result or a variable of the branch or loop, or a tf.TensorArray that it "
                "writes to"
            )
        raise fail(
            ValueError,
            f"Tensor {tensor.name!r} {tensor.dtype.name}{format_shape(tensor.shape)} "
            f"is not from the graph it is used in"
            + (": it is out of scope, a branch or a loop made it" if is_inside else ""),
            got=f"a tensor of {tensor.op.graph!r}",
            expected=f"one of {graph!r}",
            op=tensor.op,
            remedy=remedy,
        )
