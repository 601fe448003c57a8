"""`map_fn`, `scan`, `foldl`, `foldr`, `vectorized_map`: a function of each row of tensors.

In a graph each is one loop, in eager mode a Python loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.bodies import trace
from graphopt.ops.creation import shape
from graphopt.ops.shaping import stack
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop


class _Rows:
    """The rows of a nest of tensors, by number."""

    def __init__(self, elems: Any, what: str) -> None:
        self.structure = nest.map_structure(hooks.convert, elems)
        self.flat = nest.flatten(self.structure)
        if not self.flat:
            raise ValueError(f"{what} needs at least one tensor in elems.")
        if any(t.shape.rank == 0 for t in self.flat):
            raise fail(
                ValueError,
                f"elements of {what} must be at least 1-dimensional",
                got="a scalar",
                site=str(user_site()),
                remedy="tf.expand_dims",
            )
        known = {t.shape[0] for t in self.flat if t.shape.rank} - {None}
        if len(known) > 1:
            raise fail(
                InvalidArgumentError,
                f"elems of {what} must have equally many rows",
                got=str(sorted(known)),
                site=str(user_site()),
            )
        self.static = known.pop() if known else None
        self.count = shape(self.flat[0])[0] if self.static is None else self.static
        self.arrays = [
            TensorArray(t.dtype, self.count, clear_after_read=False).unstack(t)
            for t in self.flat
        ]

    def __getitem__(self, i: Any) -> Any:
        return nest.pack_as(self.structure, [array.read(i) for array in self.arrays])


def _array(dtype: Any, count: Any, element_shape: Any = None) -> TensorArray:
    return TensorArray(
        dtype, count, clear_after_read=False, element_shape=element_shape
    )


def _write(arrays: list[TensorArray], i: Any, values: list[Any]) -> list[TensorArray]:
    return [a.write(i, value) for a, value in zip(arrays, values, strict=True)]


def map_fn(
    fn: Callable[..., Any],
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool | None = None,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """Applies a function to each row of tensors and stacks what it returns.

    Args:
      fn: From one row (of a nest, a nest of rows) to a nest of tensors.
      elems: A tensor `[n, ...]`, or a nest of them.
      dtype: The dtypes of what `fn` returns, in its structure; by default those of `elems`.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives; True by default.
      swap_memory: Accepted for compatibility.
      infer_shape: Accepted; rows of the result always have one shape.
      name: Name of the op.
      fn_output_signature: As `dtype`; takes `tf.TensorSpec` too.

    Returns:
      What `fn` returns, with a first dimension of n.

    Raises:
      TypeError: `fn` is no function, or returns other dtypes.
      ValueError: `fn` returns another structure, or `elems` holds a scalar.

    >>> import graphopt as tf
    >>> tf.map_fn(lambda x: x * x, tf.constant([1, 2, 3])).numpy().tolist()
    [1, 4, 9]

    Source: `tf.map_fn`.
    """
    if not callable(fn):
        raise TypeError("The provided function(s) is not callable.")
    fn = hooks.convert_function(fn)
    rows = _Rows(elems, "tf.map_fn")
    signature = dtype if fn_output_signature is None else fn_output_signature
    if signature is None:
        signature = nest.map_structure(lambda t: t.dtype, rows.structure)
    kinds = [_kind(leaf) for leaf in nest.flatten(signature)]
    arrays = [_array(kind, rows.count, dims) for kind, dims in kinds]

    def body(i: Any, arrays: Any) -> Any:
        values = _same_structure(fn(rows[i]), signature, "tf.map_fn")
        return i + 1, _write(arrays, i, values)

    arrays = _loop(body, arrays, rows.count, back_prop, name or "map")[1]
    stacked = [_with_count(array.stack(), rows.static) for array in arrays]
    return nest.pack_as(signature, stacked)


def _kind(leaf: Any) -> tuple[DType, Any]:
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return as_dtype(leaf.dtype), leaf.shape
    return as_dtype(leaf), None


def _same_structure(result: Any, wanted: Any, what: str) -> list[Any]:
    flat, expected = nest.flatten(result), nest.flatten(wanted)
    if len(flat) != len(expected) or nest.is_nested(result) != nest.is_nested(wanted):
        raise fail(
            ValueError,
            f"The function of {what} returns another structure than it should",
            got=f"{len(flat)} tensors",
            expected=f"{len(expected)}, as {wanted}",
            site=str(user_site()),
            remedy="fn_output_signature=... (dtype=... in version 1)",
        )
    return flat


def _with_count(tensor: Any, count: int | None) -> Any:
    if building_graph() is not None and count is not None and tensor.shape.rank:
        tensor.shape = tensor.shape.merge_with(TensorShape([count]) + tensor.shape[1:])
    return tensor


def _loop(body: Any, start: Any, count: Any, back_prop: Any, name: str) -> Any:
    return while_loop(
        lambda i, _: i < count,
        body,
        (0, start),
        back_prop=back_prop is None or bool(back_prop),
        name=name,
    )


def vectorized_map(
    fn: Callable[..., Any],
    elems: Any,
    fallback_to_while_loop: bool = True,
    warn: bool = True,
) -> Any:
    """Applies a function to each row of tensors and stacks what it returns.

    It is one native loop, as `map_fn`, of which it differs in that the dtypes of the results
    need not be given.

    Args:
      fn: From one row (of a nest, a nest of rows) to a nest of tensors.
      elems: A tensor `[n, ...]`, or a nest of them.
      fallback_to_while_loop: Accepted: it is a loop.
      warn: Accepted for compatibility.

    >>> import graphopt as tf
    >>> x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    >>> tf.vectorized_map(lambda row: tf.reduce_sum(row), x).numpy().tolist()
    [3.0, 7.0]

    Source: `tf.vectorized_map`.
    """
    fn = hooks.convert_function(fn)
    rows = _Rows(elems, "tf.vectorized_map")
    if building_graph() is None and rows.static:
        results = [fn(rows[i]) for i in range(rows.static)]
        flat = zip(*(nest.flatten(result) for result in results), strict=True)
        return nest.pack_as(results[0], [stack(parts) for parts in flat])
    # Told by a trace that is thrown away.
    with entered(building_graph()):
        types = [_row_type(t) for t in rows.flat]
        _, _, result = trace(
            lambda *row: fn(nest.pack_as(rows.structure, list(row))), types
        )
    signature = nest.map_structure(lambda t: t.dtype, result)
    return map_fn(fn, elems, fn_output_signature=signature, name="vectorized_map")


def _row_type(tensor: Any) -> Any:
    graph = BodyGraph(building_graph())
    return graph.add_input(tensor.dtype, tensor.shape[1:])


def scan(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """Folds a function over rows and returns what it had after each.

    Args:
      fn: From what there is so far and one row to what there is then.
      elems: A tensor `[n, ...]`, or a nest of them.
      initializer: What there is before the first row; by default the first row itself.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives.
      swap_memory: Accepted for compatibility.
      infer_shape: Accepted; rows of the result always have one shape.
      reverse: Whether to begin with the last row.
      name: Name of the op.

    Returns:
      A nest as `initializer` (or `elems`), with a first dimension of n.

    >>> import graphopt as tf
    >>> tf.scan(lambda a, x: a + x, tf.constant([1, 2, 3])).numpy().tolist()
    [1, 3, 6]

    Source: `tf.scan`.
    """
    return _fold(fn, elems, initializer, back_prop, reverse, name or "scan", keeps=True)


def foldl(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Folds a function over rows, from the first to the last.

    Args:
      fn: From what there is so far and one row to what there is then.
      elems: A tensor `[n, ...]`, or a nest of them.
      initializer: What there is before the first row; by default the first row itself.
      parallel_iterations: Accepted for compatibility.
      back_prop: Whether the result has derivatives.
      swap_memory: Accepted for compatibility.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.foldl(lambda a, x: 10 * a + x, tf.constant([1, 2, 3])).numpy()
    np.int32(123)

    Source: `tf.foldl`.
    """
    return _fold(fn, elems, initializer, back_prop, False, name or "foldl", False)


def foldr(
    fn: Callable[..., Any],
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Folds a function over rows, from the last to the first; as `foldl`.

    >>> import graphopt as tf
    >>> tf.foldr(lambda a, x: 10 * a + x, tf.constant([1, 2, 3])).numpy()
    np.int32(321)

    Source: `tf.foldr`.
    """
    return _fold(fn, elems, initializer, back_prop, True, name or "foldr", False)


def _fold(
    fn: Any,
    elems: Any,
    initializer: Any,
    back_prop: Any,
    reverse: bool,
    name: str,
    keeps: bool,
) -> Any:
    if not callable(fn):
        raise TypeError(f"{fn!r} is not callable.")
    fn = hooks.convert_function(fn)
    rows = _Rows(elems, f"tf.{name}")
    last = rows.count - 1

    def at(i: Any) -> Any:
        return last - i if reverse else i

    if initializer is None:
        if rows.static == 0:
            raise ValueError(f"tf.{name} of no rows needs an initializer.")
        start, first = rows[at(0)], 1
    else:
        start, first = nest.map_structure(hooks.convert, initializer), 0
    state = nest.flatten(start)
    kept = [_array(t.dtype, rows.count, t.shape) for t in state] if keeps else []
    if keeps and first:
        kept = _write(kept, at(0), state)

    def body(i: Any, values: Any) -> Any:
        state, kept = values
        result = fn(nest.pack_as(start, list(state)), rows[at(i)])
        flat = _same_structure(result, start, f"tf.{name}")
        flat = [
            hooks.convert(v, dtype_hint=s.dtype)
            for v, s in zip(flat, state, strict=True)
        ]
        return i + 1, (flat, _write(kept, at(i), flat) if kept else [])

    _, (state, kept) = while_loop(
        lambda i, _: i < rows.count,
        body,
        (first, (state, kept)),
        back_prop=back_prop is None or bool(back_prop),
        name=name,
    )
    if keeps:
        state = [_with_count(array.stack(), rows.static) for array in kept]
    return nest.pack_as(start, list(state))
