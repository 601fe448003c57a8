"""Input by queues, as TensorFlow 1 had it: producers of names and rows, batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.compat.v1 import summary
from graphopt.compat.v1.train.queue_runner import QueueRunner, add_queue_runner
from graphopt.data.files import matching_files
from graphopt.data.queues import FIFOQueue, PaddingFIFOQueue, RandomShuffleQueue
from graphopt.errors import OutOfRangeError, fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast, maximum
from graphopt.ops.indexing import gather
from graphopt.ops.outside import READ, SIZE, add_outside
from graphopt.ops.random_stateful import shuffle as shuffle_rows
from graphopt.ops.sequences import range as range_of
from graphopt.ops.shaping import identity
from graphopt.runtime.collections import control_dependencies
from graphopt.runtime.names import name_scope


class _Epochs:
    """How often something was asked for in one session."""

    def __init__(self) -> None:
        self.count = 0

    def cancel(self) -> None:
        """Nobody waits for it."""


def limit_epochs(tensor: Any, num_epochs: int | None = None, name: Any = None) -> Any:
    """Returns a tensor that can be had so many times in a session.

    Args:
      tensor: The tensor.
      num_epochs: How often; for ever if it is None.
      name: Name of the op.

    Raises:
      OutOfRangeError: When it runs once more.
      ValueError: The number is not positive.

    Source: `tf.compat.v1.train.limit_epochs`.
    """
    if num_epochs is None:
        return tensor
    if num_epochs <= 0:
        raise ValueError(f"num_epochs must be > 0 not {num_epochs}.")
    key = _Epochs()

    def handler(store: Any) -> list[Any]:
        state = store.resource(key, _Epochs)
        if state.count >= num_epochs:
            raise fail(OutOfRangeError, f"Reached limit of {num_epochs}")
        state.count += 1
        return [np.array(state.count, np.int64)]

    with name_scope(name or "limit_epochs"):
        (counter,) = add_outside(
            SIZE, handler, (), [dtypes.int64], [()], name="CountUpTo"
        )
        with control_dependencies([counter]):
            return identity(hooks.convert(tensor))


def input_producer(
    input_tensor: Any,
    element_shape: Any = None,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    summary_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """Returns a queue of the rows of a tensor, which a thread fills again and again.

    Args:
      input_tensor: `[rows, ...]`.
      element_shape: The shape of a row, where the tensor does not say it.
      num_epochs: How often the rows come; for ever by default.
      shuffle: Whether they come in another order each time.
      seed: Of that order.
      capacity: How many rows the queue holds.
      shared_name: As in `FIFOQueue`.
      summary_name: The name of the summary that tells how full the queue is.
      name: Name of the ops.
      cancel_op: As in `QueueRunner`.

    Returns:
      A `FIFOQueue`; its runner is added to those that `start_queue_runners` starts.

    Source: `tf.compat.v1.train.input_producer`.
    """
    with name_scope(name or "input_producer"):
        rows = hooks.convert(input_tensor)
        known = TensorShape(rows.shape[1:]) if rows.shape.rank else TensorShape(None)
        element = known.merge_with(TensorShape(element_shape))
        if not element.is_fully_defined():
            raise fail(
                ValueError,
                "Either `input_tensor` must have a fully defined shape or "
                "`element_shape` must be specified",
                got=f"rows of shape {element}",
                site=str(user_site()),
            )
        if shuffle:
            rows = shuffle_rows(rows, seed=seed)
        rows = limit_epochs(rows, num_epochs)
        queue = FIFOQueue(capacity, [rows.dtype], [element], None, shared_name)
        runner = QueueRunner(queue, [queue.enqueue_many([rows])], cancel_op=cancel_op)
        add_queue_runner(runner)
        _summarize(queue, capacity, summary_name)
        return queue


def _summarize(queue: Any, capacity: int, name: str | None) -> None:
    if name is not None:
        full = cast(queue.size(), dtypes.float32) * (1.0 / capacity)
        summary.scalar(name, full)


def string_input_producer(
    string_tensor: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
    cancel_op: Any = None,
) -> Any:
    """Returns a queue of strings, as the names of files that a reader is to read.

    Args:
      string_tensor: A list of strings.
      num_epochs: How often they come; for ever by default.
      shuffle: Whether they come in another order each time.
      seed: Of that order.
      capacity: How many the queue holds.
      shared_name: As in `FIFOQueue`.
      name: Name of the ops.
      cancel_op: As in `QueueRunner`.

    Raises:
      ValueError: There is no string.

    Source: `tf.compat.v1.train.string_input_producer`.
    """
    strings = string_tensor
    if not hasattr(strings, "op"):
        strings = [strings] if isinstance(strings, (str, bytes)) else list(strings)
        if not strings:
            raise ValueError(
                "string_input_producer requires a non-null input tensor; got no strings."
            )
    return input_producer(
        hooks.convert(strings, dtype=dtypes.string),
        (),
        num_epochs,
        shuffle,
        seed,
        capacity,
        shared_name,
        f"fraction_of_{capacity}_full",
        name or "input_producer",
        cancel_op,
    )


def range_input_producer(
    limit: Any,
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Returns a queue of the numbers below a limit, an int32.

    Source: `tf.compat.v1.train.range_input_producer`.
    """
    return input_producer(
        range_of(limit),
        (),
        num_epochs,
        shuffle,
        seed,
        capacity,
        shared_name,
        f"fraction_of_{capacity}_full",
        name or "input_producer",
    )


def slice_input_producer(
    tensor_list: Sequence[Any],
    num_epochs: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    capacity: int = 32,
    shared_name: str | None = None,
    name: str | None = None,
) -> list[Any]:
    """Returns one row of each of several tensors, the same in all, another in each run.

    Args:
      tensor_list: Tensors with one number of rows.
      num_epochs: How often the rows come; for ever by default.
      shuffle: Whether they come in another order each time.
      seed: Of that order.
      capacity: How many numbers of rows are ready.
      shared_name: As in `FIFOQueue`.
      name: Name of the ops.

    Source: `tf.compat.v1.train.slice_input_producer`.
    """
    with name_scope(name or "input_producer"):
        tensors = [hooks.convert(tensor) for tensor in tensor_list]
        if not tensors:
            raise ValueError("Expected at least one tensor in slice_input_producer().")
        count = tensors[0].shape[0] if tensors[0].shape.rank else None
        limit = shape_of(tensors[0])[0] if count is None else count
        queue = range_input_producer(limit, num_epochs, shuffle, seed, capacity)
        index = queue.dequeue()
        return [gather(tensor, index) for tensor in tensors]


def match_filenames_once(pattern: Any, name: str | None = None) -> Any:
    """Returns the names of the files that match, found once in each session.

    Args:
      pattern: A glob pattern, or several.
      name: Name of the op.

    Source: `tf.compat.v1.train.match_filenames_once`.
    """

    class Found(_Epochs):
        """What was found."""

        names: Any = None

    key = Found()

    def handler(store: Any) -> list[Any]:
        state = store.resource(key, Found)
        if state.names is None:
            found = matching_files(pattern)
            state.names = np.empty(len(found), object)
            state.names[:] = found
        return [state.names]

    (names,) = add_outside(
        READ, handler, (), [dtypes.string], [[None]], name=name or "matching_filenames"
    )
    return names


# ---- batches


def _as_list(tensors: Any) -> list[Any]:
    if isinstance(tensors, dict):
        return [tensors[key] for key in sorted(tensors)]
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]


def _as_before(original: Any, found: Any) -> Any:
    """Returns what came out of a queue as what went in."""
    if isinstance(original, dict):
        parts = [found] if len(original) == 1 else found
        return {key: parts[i] for i, key in enumerate(sorted(original))}
    return found


def _shapes_of(tensors: list[list[Any]], shapes: Any, rows: bool) -> list[TensorShape]:
    """Returns what is known of the shapes of the elements of a queue."""
    if shapes is not None:
        given = shapes
        if (
            isinstance(shapes, TensorShape)
            or not nest.is_nested(shapes)
            or (all(isinstance(s, (int, type(None))) for s in shapes) and shapes)
        ):
            given = [shapes]
        return [TensorShape(s) for s in given]
    found: list[TensorShape] = []
    for parts in zip(*tensors, strict=True):
        known = parts[0].shape
        for part in parts[1:]:
            if known.rank != part.shape.rank:
                known = TensorShape(None)
                break
            known = TensorShape(
                [a if a == b else None for a, b in zip(known, part.shape, strict=True)]
            )
        if rows and known.rank is not None:
            known = TensorShape(known[1:])
        found.append(known)
    return found


def _batch(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int,
    threads: int,
    rows: bool,
    shapes: Any,
    pads: bool,
    fewer: bool,
    shared_name: str | None,
    name: str,
    least: int | None = None,
    seed: int | None = None,
) -> Any:
    """Adds the queue of a batch and what fills it; returns what comes out of it."""
    if not tensors_list:
        raise ValueError("Expected at least one set of tensors.")
    with name_scope(name):
        tensors = [[hooks.convert(t) for t in _as_list(ts)] for ts in tensors_list]
        types = [tensor.dtype for tensor in tensors[0]]
        known = _shapes_of(tensors, shapes, rows)
        if pads:
            ranked = all(shape.rank is not None for shape in known)
        else:
            ranked = all(shape.is_fully_defined() for shape in known)
        if not ranked:
            raise fail(
                ValueError,
                "All shapes must be fully defined"
                if not pads
                else "Cannot infer the rank of a tensor",
                got=", ".join(str(shape) for shape in known),
                expected="known shapes, or dynamic_pad=True",
                site=str(user_site()),
                remedy="tensor.set_shape(...), or shapes=[...]",
            )
        kind: Any = PaddingFIFOQueue if pads else FIFOQueue
        if least is not None:
            queue: Any = RandomShuffleQueue(
                capacity, least, types, known, None, seed, shared_name
            )
        else:
            queue = kind(capacity, types, known, None, shared_name)
        ops = []
        for parts in tensors:
            if keep_input is True:
                add = queue.enqueue_many if rows else queue.enqueue
                op = add(parts)
            else:
                op = queue.enqueue_if(parts, keep_input, rows)
            ops += [op] * threads
        add_queue_runner(QueueRunner(queue, ops))
        if least is None:
            full = f"fraction_of_{capacity}_full"
            _summarize(queue, capacity, full)
        else:
            room = max(1, capacity - least)
            over = cast(queue.size() - least, dtypes.float32)
            full = f"fraction_over_{least}_of_{room}_full"
            zero = hooks.convert(0.0)
            summary.scalar(full, maximum(zero, over) * (1.0 / room))
        take = queue.dequeue_up_to if fewer else queue.dequeue_many
        return _as_before(tensors_list[0], take(batch_size))


def batch(
    tensors: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """Returns batches of tensors, which threads collect in a queue.

    Args:
      tensors: A list or dict of tensors, an element.
      batch_size: How many elements.
      num_threads: How many threads compute elements.
      capacity: How many elements the queue holds.
      enqueue_many: Whether the rows of the tensors are the elements.
      shapes: The shapes of an element, where the tensors do not say them.
      dynamic_pad: Whether elements of several shapes are filled up.
      allow_smaller_final_batch: Whether the last batch may be smaller.
      shared_name: As in `FIFOQueue`.
      name: Name of the ops.

    Raises:
      ValueError: A shape is not known.

    Source: `tf.compat.v1.train.batch`.
    """
    return maybe_batch(
        tensors,
        True,
        batch_size,
        num_threads,
        capacity,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


def maybe_batch(
    tensors: Any,
    keep_input: Any,
    batch_size: Any,
    num_threads: int = 1,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, of the elements for which `keep_input` is true.

    Source: `tf.compat.v1.train.maybe_batch`.
    """
    return _batch(
        [tensors],
        keep_input,
        batch_size,
        capacity,
        num_threads,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name or "batch",
    )


def batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, with a thread for each of several elements.

    Source: `tf.compat.v1.train.batch_join`.
    """
    return maybe_batch_join(
        tensors_list,
        True,
        batch_size,
        capacity,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


def maybe_batch_join(
    tensors_list: Sequence[Any],
    keep_input: Any,
    batch_size: Any,
    capacity: int = 32,
    enqueue_many: bool = False,
    shapes: Any = None,
    dynamic_pad: bool = False,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch_join`, of the elements for which `keep_input` is true.

    Source: `tf.compat.v1.train.maybe_batch_join`.
    """
    return _batch(
        tensors_list,
        keep_input,
        batch_size,
        capacity,
        1,
        enqueue_many,
        shapes,
        dynamic_pad,
        allow_smaller_final_batch,
        shared_name,
        name or "batch_join",
    )


def shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `batch`, with elements in random order.

    Args:
      tensors: A list or dict of tensors, an element.
      batch_size: How many elements.
      capacity: How many elements the queue holds.
      min_after_dequeue: How many stay in it, from which the next one is chosen.
      num_threads: How many threads compute elements.
      seed: Of the order; with one thread it repeats.
      enqueue_many: Whether the rows of the tensors are the elements.
      shapes: The shapes of an element, where the tensors do not say them.
      allow_smaller_final_batch: Whether the last batch may be smaller.
      shared_name: As in `FIFOQueue`.
      name: Name of the ops.

    Source: `tf.compat.v1.train.shuffle_batch`.
    """
    return maybe_shuffle_batch(
        tensors,
        batch_size,
        capacity,
        min_after_dequeue,
        True,
        num_threads,
        seed,
        enqueue_many,
        shapes,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


def maybe_shuffle_batch(
    tensors: Any,
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    num_threads: int = 1,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch`, of the elements for which `keep_input` is true.

    Source: `tf.compat.v1.train.maybe_shuffle_batch`.
    """
    return _batch(
        [tensors],
        keep_input,
        batch_size,
        capacity,
        num_threads,
        enqueue_many,
        shapes,
        False,
        allow_smaller_final_batch,
        shared_name,
        name or "shuffle_batch",
        min_after_dequeue,
        seed,
    )


def shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch`, with a thread for each of several elements.

    Source: `tf.compat.v1.train.shuffle_batch_join`.
    """
    return maybe_shuffle_batch_join(
        tensors_list,
        batch_size,
        capacity,
        min_after_dequeue,
        True,
        seed,
        enqueue_many,
        shapes,
        allow_smaller_final_batch,
        shared_name,
        name,
    )


def maybe_shuffle_batch_join(
    tensors_list: Sequence[Any],
    batch_size: Any,
    capacity: int,
    min_after_dequeue: int,
    keep_input: Any,
    seed: int | None = None,
    enqueue_many: bool = False,
    shapes: Any = None,
    allow_smaller_final_batch: bool = False,
    shared_name: str | None = None,
    name: str | None = None,
) -> Any:
    """As `shuffle_batch_join`, of the elements for which `keep_input` is true.

    Source: `tf.compat.v1.train.maybe_shuffle_batch_join`.
    """
    return _batch(
        tensors_list,
        keep_input,
        batch_size,
        capacity,
        1,
        enqueue_many,
        shapes,
        False,
        allow_smaller_final_batch,
        shared_name,
        name or "shuffle_batch_join",
        min_after_dequeue,
        seed,
    )
